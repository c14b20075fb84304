import Columnar
import Parquet

extension ParquetArray {
  /// The rows at `indices`, in that order.
  package func gather(_ indices: [Int32]) -> ParquetArray {
    switch self {
    case .leaf(let column): return .leaf(column.gather(indices))
    case .group(_, let validity, let children):
      return .group(
        count: indices.count, validity: validity.map { $0.picked(indices) }, children.map { $0.gather(indices) })
    case .list(let offsets, let validity, let element):
      let picked = PickedElements(offsets, indices)
      return .list(
        offsets: picked.offsets, validity: validity.map { $0.picked(indices) }, element: element.gather(picked.elements)
      )
    case .map(let offsets, let validity, let key, let value):
      let picked = PickedElements(offsets, indices)
      return .map(
        offsets: picked.offsets, validity: validity.map { $0.picked(indices) }, key: key.gather(picked.elements),
        value: value.gather(picked.elements))
    }
  }

  /// The rows of `range`.
  package func slice(_ range: Range<Int>) -> ParquetArray {
    if range == 0..<count { return self }
    switch self {
    case .leaf(let column): return .leaf(column.slice(range))
    default: return gather(range.map { Int32($0) })
    }
  }

  /// About how many bytes of memory the values take.
  package var memoryBytes: Int {
    switch self {
    case .leaf(let column): column.memoryBytes
    case .group(_, _, let children): children.reduce(0) { $0 + $1.memoryBytes }
    case .list(let offsets, _, let element): offsets.count * 4 + element.memoryBytes
    case .map(let offsets, _, let key, let value): offsets.count * 4 + key.memoryBytes + value.memoryBytes
    }
  }
}

extension Bitmap {
  /// The bits at `indices`, in that order.
  fileprivate func picked(_ indices: [Int32]) -> Bitmap {
    var result = Bitmap(repeating: false, count: indices.count)
    for (position, index) in indices.enumerated() where self[Int(index)] { result[position] = true }
    return result
  }
}

/// The elements of some rows of a list.
private struct PickedElements {
  var offsets: [Int32] = [0]
  var elements: [Int32] = []

  init(_ all: [Int32], _ rows: [Int32]) {
    offsets.reserveCapacity(rows.count + 1)
    for row in rows {
      elements += all[Int(row)]..<all[Int(row) + 1]
      offsets.append(Int32(elements.count))
    }
  }
}
