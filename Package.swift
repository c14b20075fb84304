// swift-tools-version: 6.2
import PackageDescription

/// Every target is compiled with the same strictness: Swift 6 language mode, warnings are errors, and the upcoming
/// features that make a dependency on another module or on an existential visible in the source.
let strict: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .treatAllWarnings(as: .error),
  .enableUpcomingFeature("ExistentialAny"),  // SE-0335
  .enableUpcomingFeature("MemberImportVisibility")  // SE-0444
]

let package = Package(
  name: "weir",
  products: [
    .executable(name: "weir", targets: ["App"]),
    .library(name: "Parquet", targets: ["Parquet"]),
    .library(name: "Iceberg", targets: ["Iceberg"]),
    // For Benchmarks/Micro, a package of its own: only products are seen from there.
    .library(
      name: "EngineModules",
      targets: ["Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Runtime", "Sinks"])
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.4.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.90.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0")
  ],
  targets: [
    // C libraries of the system: module maps, and inline helpers where Swift cannot call a macro.
    .systemLibrary(name: "CRdkafka", pkgConfig: "rdkafka", providers: [.apt(["librdkafka-dev"])]),
    .systemLibrary(name: "CPostgres", pkgConfig: "libpq", providers: [.apt(["libpq-dev"])]),
    .systemLibrary(name: "CZstd", pkgConfig: "libzstd", providers: [.apt(["libzstd-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CSnappy", providers: [.apt(["libsnappy-dev"])]),
    .systemLibrary(name: "CLz4", providers: [.apt(["liblz4-dev"])]),
    .systemLibrary(name: "CPgQuery", providers: [.apt(["libpg-query-dev"])]),
    .target(name: "CPosix"),

    // Pure modules: no actors, no input or output.
    .target(name: "Columnar", swiftSettings: strict),
    .target(name: "Formats", dependencies: ["Columnar", "CZstd"], swiftSettings: strict),
    .target(name: "SQL", dependencies: ["Columnar", "CPgQuery"], swiftSettings: strict),
    .target(
      name: "Operators",
      dependencies: ["Columnar", "SQL", "CPosix", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(name: "Checkpointing", dependencies: ["Columnar"], swiftSettings: strict),

    .target(
      name: "Parquet", dependencies: ["Columnar", "CZstd", "CZlib", "CSnappy"], swiftSettings: strict),

    // Tables: input and output behind protocols; no actors of the dataflow.
    .target(name: "PostgresClient", dependencies: ["CPostgres"], swiftSettings: strict),
    .target(
      name: "Iceberg",
      dependencies: [
        "Columnar", "Parquet", "PostgresClient", "CPosix", "CZlib", "CZstd", "CSnappy",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio")
      ],
      swiftSettings: strict),

    // Actors, and input and output.
    .target(
      name: "Runtime",
      dependencies: [
        "Columnar", "Checkpointing", "CPosix", "CZstd",
        .product(name: "Configuration", package: "swift-configuration"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics")
      ],
      swiftSettings: strict),
    .target(
      name: "Actors",
      dependencies: [
        "Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Runtime",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics")
      ],
      swiftSettings: strict),
    .target(
      name: "Ingest",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "CRdkafka", "CPosix", "CZstd", "CZlib",
        "CSnappy", "CLz4",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .target(
      name: "Sinks",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "PostgresClient", "Parquet", "Iceberg",
        "CRdkafka", "CPosix",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .target(
      name: "Verification",
      dependencies: ["Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Actors"],
      swiftSettings: strict),
    .target(
      name: "SimulationKit",
      dependencies: [
        "Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Runtime", "Actors", "Ingest", "Sinks", "Parquet",
        "Iceberg", "PostgresClient",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "App",
      dependencies: [
        "Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Runtime", "Actors", "Ingest", "Sinks", "Iceberg",
        "PostgresClient", "Verification", "SimulationKit",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle")
      ],
      resources: [.embedInCode("Resources")],
      swiftSettings: strict,
      linkerSettings: [.linkedLibrary("jemalloc")]),
    .executableTarget(
      name: "ParquetEncoding", dependencies: ["Columnar", "Parquet"], path: "Benchmarks/ParquetEncoding",
      swiftSettings: strict, linkerSettings: [.linkedLibrary("jemalloc")]),
    // Plain C around librdkafka, with Weir's allocator: what `weir bench` compares with.
    .executableTarget(
      name: "BenchBaseline", dependencies: ["CRdkafka"], path: "Benchmarks/Baseline", publicHeadersPath: ".",
      linkerSettings: [.linkedLibrary("jemalloc"), .linkedLibrary("m")]),
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .target(name: "TestTraits", path: "Tests/TestTraits", swiftSettings: strict),
    .target(
      name: "IcebergSupport",
      dependencies: ["Iceberg", "TestSupport", .product(name: "Logging", package: "swift-log")],
      path: "Tests/IcebergSupport", swiftSettings: strict),
    .target(
      name: "FuzzTargets",
      dependencies: [
        "Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Runtime", "Actors", "Ingest", "Sinks", "Parquet",
        "Iceberg", "CPosix", "CZlib", "CZstd", "CSnappy", "CLz4", "IcebergSupport", "TestSupport",
        .product(name: "Logging", package: "swift-log")
      ],
      path: "Tests/Fuzzing/Targets", swiftSettings: strict),
    .executableTarget(
      name: "Fuzzing", dependencies: ["FuzzTargets"], path: "Tests/Fuzzing/Driver", swiftSettings: strict,
      linkerSettings: [.linkedLibrary("jemalloc")]),
    // Starts the driver, which is built with it.
    .testTarget(name: "FuzzingTests", dependencies: ["FuzzTargets", "Fuzzing", "TestTraits"], swiftSettings: strict),
    .testTarget(
      name: "ParquetTests", dependencies: ["Columnar", "Parquet", "TestSupport", "TestTraits"], swiftSettings: strict),
    .testTarget(
      name: "IcebergTests",
      dependencies: [
        "Columnar", "Parquet", "PostgresClient", "Iceberg", "IcebergSupport", "TestSupport", "TestTraits",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SQLTests", dependencies: ["Columnar", "SQL", "TestSupport", "TestTraits"], swiftSettings: strict),
    .testTarget(name: "ColumnarTests", dependencies: ["Columnar", "TestSupport", "TestTraits"], swiftSettings: strict),
    .testTarget(
      name: "FormatsTests", dependencies: ["Columnar", "Formats", "TestSupport", "TestTraits"], swiftSettings: strict),
    .testTarget(
      name: "ExpressionsTests", dependencies: ["Columnar", "SQL", "Operators", "TestSupport", "TestTraits"],
      swiftSettings: strict),
    .testTarget(
      name: "IngestTests",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "Ingest", "CPosix", "CZlib", "CZstd",
        "CSnappy", "CLz4", "TestTraits",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "OperatorsTests", dependencies: ["Columnar", "SQL", "Operators", "TestSupport", "TestTraits"],
      swiftSettings: strict),
    .testTarget(
      name: "CheckpointingTests", dependencies: ["Columnar", "Checkpointing", "TestSupport", "TestTraits"],
      swiftSettings: strict),
    .testTarget(
      name: "RuntimeTests",
      dependencies: [
        "Columnar", "Checkpointing", "Runtime", "TestSupport", "TestTraits",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "Metrics", package: "swift-metrics")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SinksTests",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "Parquet", "PostgresClient", "Iceberg",
        "Ingest", "Sinks", "CRdkafka", "IcebergSupport", "SimulationKit", "TestSupport", "TestTraits",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "AppTests",
      dependencies: [
        "App", "Actors", "Checkpointing", "Columnar", "Iceberg", "Parquet", "Runtime", "TestTraits",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "ActorsTests",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "TestTraits",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "SimulationTests",
      dependencies: [
        "Columnar", "Formats", "SQL", "Checkpointing", "Runtime", "Actors", "Sinks", "Parquet", "Iceberg",
        "PostgresClient", "SimulationKit", "TestSupport", "TestTraits",
        .product(name: "Logging", package: "swift-log")
      ],
      swiftSettings: strict),
    .testTarget(
      name: "VerificationTests",
      dependencies: [
        "Columnar", "Formats", "SQL", "Operators", "Checkpointing", "Actors", "Verification", "TestSupport",
        "TestTraits"
      ],
      swiftSettings: strict),
    .testTarget(
      name: "EndToEndTests", dependencies: ["Ingest", "IcebergSupport", "TestSupport", "TestTraits"],
      swiftSettings: strict)
  ]
)
