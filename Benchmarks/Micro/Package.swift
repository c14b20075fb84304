// swift-tools-version: 6.2
import PackageDescription

// A package of its own: who builds Weir does not fetch or build what only measuring needs. `../micro.py` runs it.
let package = Package(
  name: "weir-micro",
  dependencies: [
    .package(name: "weir", path: "../.."),
    // Without its traits: they count allocations, with libraries that would have to be loaded before the program's own
    // allocator. Only time is measured here.
    .package(url: "https://github.com/ordo-one/benchmark", exact: "1.38.1", traits: [])
  ],
  targets: [
    .executableTarget(
      name: "Engine",
      dependencies: [
        .product(name: "Benchmark", package: "benchmark"),
        .product(name: "EngineModules", package: "weir"),
        .product(name: "Iceberg", package: "weir"),
        .product(name: "Parquet", package: "weir")
      ],
      path: "Benchmarks/Engine",
      swiftSettings: [
        .swiftLanguageMode(.v6),
        .treatAllWarnings(as: .error),
        .enableUpcomingFeature("ExistentialAny"),
        .enableUpcomingFeature("MemberImportVisibility")
      ],
      // As the release binary.
      linkerSettings: [.linkedLibrary("jemalloc")],
      plugins: [.plugin(name: "BenchmarkPlugin", package: "benchmark")])
  ]
)
