"""The job in Flink SQL, in a cluster inside one process: flink_job.py SQL_FILE"""

import re
import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

environment = TableEnvironment.create(EnvironmentSettings.in_streaming_mode())
for statement in filter(None, map(str.strip, open(sys.argv[1]).read().split(";\n"))):
    setting = re.fullmatch(r"SET '(.*)' = '(.*)'", statement)
    if setting:
        environment.get_config().set(*setting.groups())
    else:
        done = environment.execute_sql(statement)
        if statement.startswith("INSERT"):
            done.wait()
