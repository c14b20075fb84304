import Columnar
import Glibc
import Runtime
import Synchronization

/// A directory that is removed with the value's owner.
final class TemporaryDirectory: Sendable {
  let path: String

  init() {
    var template = Array("/tmp/weir-test-XXXXXX".utf8CString)
    path = template.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, let made = mkdtemp(start) else { return "/tmp/weir-test-none" }
      return String(cString: made)
    }
  }

  deinit { Self.remove(path) }

  private static func remove(_ path: String) {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
          pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name != ".", name != ".." { remove(path + "/" + name) }
      }
      closedir(directory)
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}

enum Files {
  static func read(_ path: String) -> [UInt8] {
    guard let file = fopen(path, "r") else { return [] }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    while true {
      let byte = fgetc(file)
      if byte == EOF { return bytes }
      bytes.append(UInt8(truncatingIfNeeded: byte))
    }
  }

  static func write(_ bytes: [UInt8], to path: String) {
    guard let file = fopen(path, "w") else { return }
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

/// A batch of one column with these numbers.
func batch(_ numbers: [Int64]) -> Batch {
  Batch(schema: Schema([Field("n", .bigint)]), columns: [Column(.bigint, .int64(numbers))], count: numbers.count)
}

/// The numbers of such a batch.
func numbers(_ element: StreamElement) -> [Int64] {
  guard case .rows(let batch) = element, case .int64(let numbers) = batch.columns[0].storage else { return [] }
  return numbers
}

/// A value that several tasks of a test change.
final class Shared<Value: Sendable>: Sendable {
  private let storage: Mutex<Value>
  init(_ value: Value) { storage = Mutex(value) }
  var value: Value { storage.withLock { $0 } }
  func update(_ body: @Sendable (inout Value) -> Void) { storage.withLock { body(&$0) } }
}
