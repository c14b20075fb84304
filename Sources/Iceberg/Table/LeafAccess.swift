import Columnar
import Parquet

/// The way to a leaf that is a column, or inside of structs.
package struct LeafAccess: Hashable, Sendable {
  /// The leaf.
  package let fieldID: Int
  /// The leaf's type.
  package let type: IcebergType
  /// Positions: of the column, then of fields in structs.
  package let path: [Int]
  /// The column's id.
  package let columnID: Int

  /// The way to the leaf `fieldID`; `nil` when it is not there, or inside of a list or map.
  package init?(_ fieldID: Int, in fields: [NestedField]) {
    guard let found = Self.find(fieldID, fields) else { return nil }
    self.fieldID = fieldID
    type = found.field.type
    path = found.path
    columnID = fields[found.path[0]].id
  }

  private struct Found {
    var path: [Int]
    var field: NestedField
  }

  private static func find(_ id: Int, _ fields: [NestedField]) -> Found? {
    for (position, field) in fields.enumerated() {
      if field.id == id {
        if case .structure = field.type { return nil }
        return Found(path: [position], field: field)
      }
      if case .structure(let inner) = field.type, let found = find(id, inner) {
        return Found(path: [position] + found.path, field: found.field)
      }
    }
    return nil
  }

  /// The leaf's values; null where a struct around it is.
  package func column(_ columns: [ParquetArray]) throws(IcebergError) -> Column {
    try column(in: columns[path[0]])
  }

  /// The leaf's values inside of its column.
  package func column(in array: ParquetArray) throws(IcebergError) -> Column {
    var array = array
    var validity: Bitmap?
    for position in path.dropFirst() {
      guard case .group(_, let own, let children) = array, children.indices.contains(position) else { throw mismatch }
      if let own { validity = validity.map { $0.intersection(own) } ?? own }
      array = children[position]
    }
    guard case .leaf(let column) = array else { throw mismatch }
    guard let validity else { return column }
    return Column(column.type, column.storage, validity: column.validity.map { $0.intersection(validity) } ?? validity)
  }

  private var mismatch: IcebergError {
    IcebergError(.invalid, "the values of field \(fieldID) do not have the form that the schema says")
  }
}
