import CRdkafka

/// Renders a message's headers as a JSON object: values as strings, `null` without a value; of equal names, the last
/// counts for most readers. Bytes that are not UTF-8 are replaced.
enum KafkaHeaders {
  /// Appends the object's text; nothing when the message has no headers.
  static func appendJSON(of message: UnsafePointer<rd_kafka_message_t>, to text: inout [UInt8]) {
    var headers: OpaquePointer?
    guard rd_kafka_message_headers(message, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR, let headers else { return }
    text.append(UInt8(ascii: "{"))
    for index in 0..<rd_kafka_header_cnt(headers) {
      var name: UnsafePointer<CChar>?
      var value: UnsafeRawPointer?
      var size = 0
      guard rd_kafka_header_get_all(headers, index, &name, &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR, let name
      else { break }
      if index > 0 { text.append(UInt8(ascii: ",")) }
      JSONText.appendString(String(cString: name).utf8, to: &text)
      text.append(UInt8(ascii: ":"))
      if let value {
        let bytes = UnsafeRawBufferPointer(start: value, count: size)
        JSONText.appendString(String(decoding: bytes, as: UTF8.self).utf8, to: &text)
      } else {
        text.append(contentsOf: "null".utf8)
      }
    }
    text.append(UInt8(ascii: "}"))
  }
}
