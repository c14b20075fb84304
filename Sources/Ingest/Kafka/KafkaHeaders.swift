import CRdkafka

/// Renders a message's headers as a JSON object: values as strings, `null` without a value; of equal names, the last
/// counts for most readers. Bytes that are not UTF-8 are replaced.
struct KafkaHeaders {
  private var isEmpty = true

  /// Appends one header to the object's text, which the first one begins.
  mutating func append(_ name: String, _ value: UnsafeRawBufferPointer?, to text: inout [UInt8]) {
    text.append(UInt8(ascii: isEmpty ? "{" : ","))
    isEmpty = false
    JSONText.appendString(name.utf8, to: &text)
    text.append(UInt8(ascii: ":"))
    if let value {
      JSONText.appendString(String(decoding: value, as: UTF8.self).utf8, to: &text)
    } else {
      text.append(contentsOf: "null".utf8)
    }
  }

  /// Ends the object.
  mutating func finish(_ text: inout [UInt8]) {
    text.append(contentsOf: isEmpty ? "{}".utf8 : "}".utf8)
  }

  /// Appends the object's text; nothing when the message has no headers.
  static func appendJSON(of message: UnsafePointer<rd_kafka_message_t>, to text: inout [UInt8]) {
    var headers: OpaquePointer?
    guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers else { return }
    var writer = KafkaHeaders()
    for index in 0..<rd_kafka_header_cnt(headers) {
      var name: UnsafePointer<CChar>?
      var value: UnsafeRawPointer?
      var size = 0
      guard rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let name
      else { break }
      writer.append(
        String(cString: name), value.map { UnsafeRawBufferPointer(start: $0, count: size) }, to: &text)
    }
    writer.finish(&text)
  }
}
