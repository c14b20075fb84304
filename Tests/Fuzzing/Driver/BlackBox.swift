import Glibc

/// The input that is being tried, in a file that outlives the process: whatever happens to it, the input is not lost.
///
/// ```
/// iteration:u64 tries:u64 length:u64 input …
/// ```
/// Invariant: `base` maps `capacity` bytes of the file, from `init` to the end of the process; one process writes.
struct BlackBox {
  static let capacity = 24 + (1 << 20)
  private let base: UnsafeMutableRawPointer

  /// Maps the file at `path`, which is made when it is not there.
  init?(path: String) {
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    guard ftruncate(descriptor, Self.capacity) == 0,
      let base = mmap(nil, Self.capacity, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0), base != MAP_FAILED
    else { return nil }
    self.base = base
  }

  /// The iteration whose input is in the box.
  var iteration: UInt64 { base.loadUnaligned(as: UInt64.self) }

  /// How many inputs were begun: it stands still when one does not end.
  var tries: UInt64 { base.loadUnaligned(fromByteOffset: 8, as: UInt64.self) }

  /// The input.
  var input: [UInt8] {
    let length = Int(clamping: base.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
    return Array(UnsafeRawBufferPointer(start: base + 24, count: min(length, Self.capacity - 24)))
  }

  /// Stores an input before it is tried.
  func begin(_ iteration: UInt64, _ input: [UInt8]) {
    let kept = min(input.count, Self.capacity - 24)
    input.withUnsafeBytes { source in
      if let start = source.baseAddress { (base + 24).copyMemory(from: start, byteCount: kept) }
    }
    base.storeBytes(of: UInt64(kept), toByteOffset: 16, as: UInt64.self)
    base.storeBytes(of: iteration, as: UInt64.self)
    base.storeBytes(of: tries &+ 1, toByteOffset: 8, as: UInt64.self)
  }
}
