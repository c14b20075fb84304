import FuzzTargets
import Glibc

/// What libFuzzer calls, see `Tests/Fuzzing/run.sh`; the target is named by `FUZZ_TARGET`.
private let libFuzzerTarget = getenv("FUZZ_TARGET").flatMap { FuzzTarget.named(String(cString: $0)) }

/// Tries one input of libFuzzer's.
@_cdecl("LLVMFuzzerTestOneInput")
public func libFuzzerInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
  guard let target = libFuzzerTarget else {
    FuzzDriver.complain("FUZZ_TARGET must name a target")
    exit(2)
  }
  let input = Array(UnsafeBufferPointer(start: data, count: size))
  do { try target.check(input) } catch {
    FuzzDriver.complain("\(error)")
    abort()
  }
  return 0
}
