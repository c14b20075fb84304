import Iceberg
import TestTraits
import Testing

@Suite("The catalog factory", .fewAtOnce)
struct CatalogFactoryTests {
  @Test(
    "names what is missing or unknown",
    arguments: [
      ("filesystem", [:], "warehouse"), ("sql", ["uri": "postgresql://h/d"], "catalog-name"),
      ("sql", ["catalog-name": "c", "warehouse": "/w"], "uri"),
      ("sql", ["catalog-name": "c", "uri": "postgresql://h/d"], "warehouse"),
      ("sql", ["catalog-name": "c", "uri": "mysql://u:secret@h/d", "warehouse": "/w"], "postgresql://"),
      ("rest", [:], "uri"), ("hive", [:], "filesystem, sql or rest")
    ])
  func missing(type: String, properties: [String: String], word: String) async {
    do {
      _ = try await Catalogs.make(type: type, properties: properties, logger: CatalogFixture.logger)
      Issue.record("\(type) was made of \(properties)")
    } catch {
      #expect(error.kind == .invalid)
      #expect(error.message.contains(word))
      #expect(!error.message.contains("secret"))
    }
  }
}
