import Actors
import Checkpointing
import FoundationEssentials

/// A sink's position as the value of a marker record: JSON.
package struct KafkaMarkerCodec: Sendable {
  private struct Marker: Codable {
    var version = 1
    /// Two sinks with one transactional id would take each other's position for their own.
    var sink: String
    var position: SinkPosition
  }

  /// The codec.
  package init() {}

  /// The bytes of `position` of `sink`.
  package func encode(_ position: SinkPosition, sink: String) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    return Array(try encoder.encode(Marker(sink: sink, position: position)))
  }

  /// The position in `bytes`.
  /// - Throws: ``SinkError`` when the bytes are not a marker, or one of another sink.
  package func decode(_ bytes: [UInt8], sink: String) throws -> SinkPosition {
    guard let marker = try? JSONDecoder().decode(Marker.self, from: Data(bytes)), marker.version == 1 else {
      throw SinkError(
        sink: sink, severity: .fatal,
        message: "the last marker in the position topic cannot be read; give the sink another transactional_id")
    }
    guard marker.sink == sink else {
      throw SinkError(
        sink: sink, severity: .fatal,
        message: "its transactional_id belongs to sink '\(marker.sink)'; give each sink a transactional_id of its own")
    }
    return marker.position
  }
}
