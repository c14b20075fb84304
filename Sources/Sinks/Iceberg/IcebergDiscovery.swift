import Iceberg

/// Finds the tables whose names a template may have made.
struct IcebergDiscovery {
  let name: IcebergTableName
  let catalog: any Catalog

  func tables() async throws(IcebergError) -> [TableIdentifier] {
    var found: [TableIdentifier] = []
    for namespace in try await namespaces() {
      do throws(IcebergError) {
        let tables = try await catalog.listTables(namespace)
        found += tables.filter { name.matches($0.name, level: name.levels.count - 1) }
      } catch {
        guard error.kind == .notFound else { throw error }
      }
    }
    return found.sorted()
  }

  private func namespaces() async throws(IcebergError) -> [Namespace] {
    var parents = [Namespace([])]
    for (level, pieces) in name.levels.dropLast().enumerated() {
      var next: [Namespace] = []
      for parent in parents {
        if pieces.count == 1, case .text(let text) = pieces[0] {
          next.append(Namespace(parent.levels + [text]))
          continue
        }
        do throws(IcebergError) {
          let children = try await catalog.listNamespaces(parent: parent.levels.isEmpty ? nil : parent)
          next += children.filter { name.matches($0.levels[$0.levels.count - 1], level: level) }
        } catch {
          guard error.kind == .notFound else { throw error }
        }
      }
      parents = next
    }
    return parents
  }
}
