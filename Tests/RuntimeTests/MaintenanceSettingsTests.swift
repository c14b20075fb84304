import Checkpointing
import Runtime
import TestTraits
import Testing

@Suite("Settings of maintenance", .fewAtOnce)
struct MaintenanceSettingsTests {
  @Test("maintenance is on, takes a quarter of a core, and keeps an hour of snapshots unless told otherwise")
  func defaults() throws {
    let settings = try Settings(environment: [:])
    #expect(settings.maintainsTables && settings.maintenanceShare == 0.25 && settings.maintenanceFiles == 8)
    #expect(settings.maintenanceInterval == 30_000_000_000 && settings.maintenanceBytes == 256 << 20)
    #expect(settings.snapshotRetention == 3_600_000_000_000)
    #expect(settings.orphanInterval == 86_400_000_000_000 && settings.orphanGrace == 3 * 86_400_000_000_000)
    let other = try Settings(environment: [
      "WEIR_MAINTENANCE": "off", "WEIR_MAINTENANCE_CPU": "0.5", "WEIR_ORPHAN_INTERVAL": "0"
    ])
    #expect(!other.maintainsTables && other.maintenanceShare == 0.5 && other.orphanInterval == 0)
    #expect(other.entries.first { $0.definition.name == "WEIR_MAINTENANCE_CPU" }?.value == "0.5")
  }

  @Test(
    "a share that is no number, or out of range, is refused with the range",
    arguments: ["0", "1.5", "-1", "nan", "inf", "half", ""])
  func shares(text: String) {
    #expect(throws: SettingsError.self) { try Settings(flags: ["WEIR_MAINTENANCE_CPU": text], environment: [:]) }
  }
}
