/// A number of one to ten bytes, seven bits in each, the least significant first; signs alternate (zigzag).
struct Varint {
  let value: Int64
  /// Behind its last byte.
  let end: UnsafePointer<UInt8>

  /// Reads the number at `start`; `nil` when it is cut at `limit`, or longer than 64 bits.
  ///
  /// Pointers come and go by value: one that were passed `inout` would live in memory.
  @inline(__always)
  init?(_ start: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>) {
    var position = start
    var result: UInt64 = 0
    var shift: UInt64 = 0
    while position < limit {
      let byte = UInt64(position.pointee)
      position += 1
      result |= (byte & 0x7F) &<< shift
      if byte < 0x80 {
        guard shift < 63 || byte < 2 else { return nil }
        value = Int64(bitPattern: result &>> 1) ^ -Int64(bitPattern: result & 1)
        end = position
        return
      }
      shift &+= 7
      guard shift <= 63 else { return nil }
    }
    return nil
  }
}

/// A field of bytes behind their length; a length of -1 stands for no value.
struct VarintBytes {
  /// `nil` without a value.
  let bytes: UnsafeRawBufferPointer?
  /// Behind its last byte.
  let end: UnsafePointer<UInt8>

  /// Reads the field at `start`; `nil` when it does not end at or before `limit`.
  @inline(__always)
  init?(_ start: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>) {
    guard let count = Varint(start, limit), count.value >= -1, count.value <= Int64(limit - count.end) else {
      return nil
    }
    if count.value < 0 {
      bytes = nil
      end = count.end
    } else {
      bytes = UnsafeRawBufferPointer(start: count.end, count: Int(count.value))
      end = count.end + Int(count.value)
    }
  }
}

/// A record within its batch: pointers into the batch's bytes.
///
/// ```
/// length │ attributes │ time − base time │ offset − base offset │ key │ value │ number of headers │ name │ value │ …
/// ```
struct RecordFields {
  let timeDelta: Int64
  let offsetDelta: Int64
  let key: UnsafeRawBufferPointer?
  let value: UnsafeRawBufferPointer?
  /// The headers, from their number on.
  let headers: UnsafePointer<UInt8>
  /// Behind the record.
  let end: UnsafePointer<UInt8>

  /// Reads the record at `start`; `nil` when it does not end at or before `limit`.
  @inline(__always)
  init?(_ start: UnsafePointer<UInt8>, _ limit: UnsafePointer<UInt8>) {
    guard let length = Varint(start, limit), length.value > 0, length.value <= Int64(limit - length.end) else {
      return nil
    }
    let end = length.end + Int(length.value)
    guard let time = Varint(length.end + 1, end), let offset = Varint(time.end, end),
      let key = VarintBytes(offset.end, end), let value = VarintBytes(key.end, end)
    else { return nil }
    timeDelta = time.value
    offsetDelta = offset.value
    self.key = key.bytes
    self.value = value.bytes
    headers = value.end
    self.end = end
  }

  /// Appends the headers as a JSON object, nothing when there are none; `false` when they are damaged.
  @inline(never)
  func appendHeaders(to text: inout [UInt8]) -> Bool {
    guard let count = Varint(headers, end), count.value >= 0 else { return false }
    if count.value == 0 { return true }
    var (position, left, writer) = (count.end, count.value, KafkaHeaders())
    while left > 0 {
      guard let name = VarintBytes(position, end), let key = name.bytes, let value = VarintBytes(name.end, end)
      else { return false }
      writer.append(String(decoding: key, as: UTF8.self), value.bytes, to: &text)
      position = value.end
      left &-= 1
    }
    writer.finish(&text)
    return true
  }
}
