import Columnar
import Operators
import SQL
import TestTraits
import Testing

/// Filters and projections between a source and its sink.
@Suite(.fewAtOnce) struct RowPipelineTests {
  private let scan = Relation.scan(table: "test", schema: TestColumn.schema)

  private var rows: [TestRow] {
    (0..<6).map { index in
      var row = TestRow()
      row.offset = Int64(100 + index)
      row.big = Int64(index)
      row.flag = index == 1 ? nil : index != 3
      row.text = Array("\(index * 2)".utf8)
      return row
    }
  }

  @Test("a pipeline without steps passes its input on")
  func identity() throws {
    let pipeline = try RowPipeline(scan, input: TestColumn.schema)
    #expect(pipeline.isIdentity)
    #expect(!pipeline.canFail)
    let batch = Batch(rows)
    let result = pipeline.process(batch, evaluationContext)
    #expect(result.batch == batch)
    #expect(result.filteredCount == 0)
  }

  @Test("a filter keeps rows for which it is true, with their origin")
  func filter() throws {
    let pipeline = try RowPipeline(.filter(scan, TestColumn.flag.expression), input: TestColumn.schema)
    let result = pipeline.process(Batch(rows), evaluationContext)
    #expect(result.filteredCount == 2)
    #expect(result.batch.origin?.offsets == [100, 102, 104, 105])
    #expect(result.batch.count == 4)
  }

  @Test("a projection after a filter has its own columns and the filter's rows")
  func project() throws {
    let schema = Schema([Field("b", .bigint), Field("one", .bigint)])
    let relation = Relation.project(
      .filter(scan, TestColumn.flag.expression),
      [TestColumn.big.expression, Expression(.literal(.int64(1)), type: .bigint)], schema)
    let pipeline = try RowPipeline(relation, input: TestColumn.schema)
    #expect(pipeline.output == schema)
    #expect(RowPipeline.leaf(of: relation) == scan)
    let result = pipeline.process(Batch(rows), evaluationContext)
    #expect(result.batch.schema == schema)
    #expect(result.batch.rows == [0, 2, 4, 5].map { [.int64($0), .int64(1)] })
  }

  @Test("failures carry the row's index in the input, whatever was filtered before")
  func failures() throws {
    var input = rows
    input[2].text = Array("not a number".utf8)
    input[1].text = Array("filtered before it can fail".utf8)
    let number = Expression(.cast(TestColumn.text.expression), type: .bigint)
    let relation = Relation.project(
      .filter(scan, TestColumn.flag.expression), [number], Schema([Field("n", .bigint)]))
    let pipeline = try RowPipeline(relation, input: TestColumn.schema)
    #expect(pipeline.canFail)
    let result = pipeline.process(Batch(input), evaluationContext)
    #expect(result.failures.map(\.row) == [2])
    #expect(result.filteredCount == 2)
    #expect(result.batch.rows == [[.int64(0)], [.int64(8)], [.int64(10)]])
    #expect(result.batch.origin?.offsets == [100, 104, 105])
    #expect(result.batch.count + result.filteredCount + result.failures.count == input.count)
  }
}
