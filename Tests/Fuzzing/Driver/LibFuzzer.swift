import FuzzTargets
import Glibc

/// Hands the targets to libFuzzer, when `Tests/Fuzzing/run.sh` has linked it.
enum LibFuzzer {
  private typealias Attempt = @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
  private typealias Run =
    @convention(c) (
      UnsafeMutablePointer<CInt>, UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>, Attempt
    ) -> CInt

  /// Runs libFuzzer and ends the process, when `FUZZ_TARGET` names a target and libFuzzer is there.
  static func runWhenAsked() {
    guard getenv("FUZZ_TARGET") != nil, let symbol = dlsym(nil, "LLVMFuzzerRunDriver") else { return }
    let run = unsafeBitCast(symbol, to: Run.self)
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    exit(run(&count, &arguments, { libFuzzerInput($0, $1) }))
  }
}

private let libFuzzerTarget = getenv("FUZZ_TARGET").flatMap { FuzzTarget.named(String(cString: $0)) }

/// Tries one input of libFuzzer's. The name is the one that libFuzzer expects.
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
