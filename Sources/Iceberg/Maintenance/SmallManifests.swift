/// The manifests of a table that are worth gathering.
package enum SmallManifests {
  /// Manifests smaller than half of `commit.manifest.target-size-bytes`, by spec and content, where there are at least
  /// `minimumCount` of a kind.
  package static func find(
    _ manifests: [ManifestFile], minimumCount: Int, metadata: TableMetadata
  ) throws(IcebergError) -> [ManifestGroup: [ManifestFile]] {
    let target = try TableSettings(metadata).manifestTargetSizeBytes
    var groups: [ManifestGroup: [ManifestFile]] = [:]
    for manifest in manifests where manifest.mayHaveLiveFiles && manifest.manifestLength < target / 2 {
      groups[ManifestGroup(specID: manifest.specID, content: manifest.content), default: []].append(manifest)
    }
    return groups.filter { $0.value.count >= minimumCount }
  }

  /// How many manifests of the table's current snapshot are worth gathering.
  package static func count(_ table: Table, minimumCount: Int) async throws(IcebergError) -> Int {
    guard let snapshot = table.currentSnapshot else { return 0 }
    let manifests = try await ManifestLoader(table.loaded, concurrency: 4).manifests(of: snapshot)
    return try find(manifests, minimumCount: minimumCount, metadata: table.metadata).values.reduce(0) { $0 + $1.count }
  }
}
