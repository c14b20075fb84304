/// Finds the name that was probably meant.
enum Suggestion {
  /// The candidate nearest to `name`, when one is near enough to be a slip of the finger.
  static func nearest(to name: String, in candidates: some Sequence<String>) -> String? {
    let wanted = Array(name.lowercased().prefix(64))
    let limit = min(max(1, wanted.count / 3), wanted.count - 1)
    var best: (distance: Int, name: String)?
    for candidate in candidates {
      let distance = editDistance(wanted, Array(candidate.lowercased().prefix(64)))
      if distance <= limit, best.map({ (distance, candidate) < ($0.distance, $0.name) }) ?? true {
        best = (distance, candidate)
      }
    }
    return best?.name
  }

  /// `did you mean "x"?` or, without a near name, the list of all when it is short.
  static func hint(for name: String, in candidates: [String], listing noun: String) -> String? {
    if let near = nearest(to: name, in: candidates) { return "did you mean \(near)?" }
    guard !candidates.isEmpty, candidates.count <= 24 else { return nil }
    return "\(noun): \(candidates.joined(separator: ", "))"
  }

  /// Insertions, deletions, replacements and swaps of neighbours that turn one into the other.
  static func editDistance(_ left: [Character], _ right: [Character]) -> Int {
    var beforePrevious = [Int](repeating: 0, count: right.count + 1)
    var previous = Array(0...right.count)
    for row in left.indices {
      var current = [row + 1]
      for column in right.indices {
        let replaced = previous[column] + (left[row] == right[column] ? 0 : 1)
        var distance = min(previous[column + 1] + 1, current[column] + 1, replaced)
        if row > 0, column > 0, left[row] == right[column - 1], left[row - 1] == right[column] {
          distance = min(distance, beforePrevious[column - 1] + 1)
        }
        current.append(distance)
      }
      beforePrevious = previous
      previous = current
    }
    return previous[right.count]
  }
}
