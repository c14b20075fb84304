import Columnar
import Crypto
import FoundationEssentials
import SQL

extension Kernels {
  static func encoding(_ signature: FunctionSignature) -> Kernel? {
    switch signature.name {
    case "md5":
      return strict1(.text) { (value: Bytes) in hexadecimal(Insecure.MD5.hash(data: Array(value))) }
    case "sha256": return strict1(.bytea) { (value: Bytes) in Bytes(Array(SHA256.hash(data: Array(value)))) }
    case "to_hex":
      let isNarrow = signature.arguments == [.integer]
      return strict1(.text) { (value: Int64) in
        Bytes(
          isNarrow ? String(UInt32(truncatingIfNeeded: value), radix: 16) : String(UInt64(bitPattern: value), radix: 16)
        )
      }
    case "chr":
      return strict1(.text, canFail: true) { (value: Int64) throws(RowError) -> Bytes? in
        if value == 0 { throw RowError("null character not permitted") }
        guard value > 0, let scalar = Unicode.Scalar(UInt32(value)) else {
          throw RowError("requested character not valid for encoding: \(value)")
        }
        return Bytes(String(Character(scalar)))
      }
    case "encode":
      return strict2(.text, canFail: true) { (value: Bytes, format: Bytes) throws(RowError) -> Bytes? in
        switch format.string.lowercased() {
        case "hex": return hexadecimal(value)
        case "base64": return base64(value)
        default: throw RowError("unrecognized encoding: \"\(format.string)\"")
        }
      }
    case "decode":
      return strict2(.bytea, canFail: true) { (value: Bytes, format: Bytes) throws(RowError) -> Bytes? in
        switch format.string.lowercased() {
        case "hex": return try fromHexadecimal(value)
        case "base64":
          let compact = value.filter { $0 != 0x0A && $0 != 0x0D && $0 != 0x20 && $0 != 0x09 }
          guard let data = Data(base64Encoded: String(decoding: compact, as: UTF8.self)) else {
            throw RowError("invalid base64 end sequence")
          }
          return Bytes(Array(data))
        default: throw RowError("unrecognized encoding: \"\(format.string)\"")
        }
      }
    default: return nil
    }
  }

  private static func hexadecimal(_ bytes: some Sequence<UInt8>) -> Bytes {
    var result: [UInt8] = []
    for byte in bytes {
      result.append(hexadecimalDigit(byte >> 4))
      result.append(hexadecimalDigit(byte & 15))
    }
    return Bytes(result)
  }

  private static func fromHexadecimal(_ value: Bytes) throws(RowError) -> Bytes {
    var result: [UInt8] = []
    var high: UInt8?
    for byte in value where ![0x20, 0x0A, 0x0D, 0x09].contains(byte) {
      guard let digit = hexadecimalValue(byte) else {
        throw RowError("invalid hexadecimal digit: \"\(String(decoding: [byte], as: UTF8.self))\"")
      }
      if let first = high {
        result.append(first << 4 | digit)
        high = nil
      } else {
        high = digit
      }
    }
    if high != nil { throw RowError("invalid hexadecimal data: odd number of digits") }
    return Bytes(result)
  }

  /// Lines of 76 characters, as MIME and PostgreSQL have them.
  private static func base64(_ value: Bytes) -> Bytes {
    let plain = Array(Data(value).base64EncodedString().utf8)
    var result: [UInt8] = []
    for (index, byte) in plain.enumerated() {
      if index > 0 && index % 76 == 0 { result.append(0x0A) }
      result.append(byte)
    }
    return Bytes(result)
  }
}
