// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

// What several targets use from other packages.
let argumentParser = Target.Dependency.product(
    name: "ArgumentParser",
    package: "swift-argument-parser"
)
let deque = Target.Dependency.product(name: "DequeModule", package: "swift-collections")
let histogram = Target.Dependency.product(name: "Histogram", package: "hdrhistogram-swift")
let lifecycle = Target.Dependency.product(
    name: "ServiceLifecycle",
    package: "swift-service-lifecycle"
)
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioEmbedded = Target.Dependency.product(name: "NIOEmbedded", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

func library(_ name: String, _ dependencies: [Target.Dependency] = []) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: settings)
}

func program(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: settings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: settings)
}

let package = Package(
    name: "meridian",
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
        .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.2.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    targets: [
        // System libraries.
        .systemLibrary(
            name: "CNghttp2",
            pkgConfig: "libnghttp2",
            providers: [.apt(["libnghttp2-dev"])]
        ),
        .systemLibrary(
            name: "CSQLite",
            pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]
        ),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Foundations.
        library("Primitives"),
        library("SQLite", ["CSQLite"]),
        library("YAML", ["CYAML", "Primitives"]),

        // The gRPC runtime.
        library("HTTP2", ["CNghttp2", deque, nioCore]),
        library(
            "GRPC",
            [
                "GRPCAPI", "HTTP2", "Primitives", deque, lifecycle, logging, nioCore, nioPosix,
                protobuf,
            ]
        ),

        // Generated from xds/protos by scripts/generate.
        library("EnvoyAPI", [protobuf]),
        library("GRPCAPI", [protobuf]),
        library("MeridianAPI", [protobuf]),

        // Decisions, without I/O.
        library("Membership", ["Primitives"]),
        library("Mesh", ["Primitives", "YAML"]),
        library("Reports", ["Primitives", "YAML"]),
        library("Routing", ["Mesh", "Primitives"]),
        library("SidecarBootstrap", ["Mesh", "Primitives"]),
        library("Translation", ["EnvoyAPI", "Mesh", "Primitives", "Routing", "XDSCore", protobuf]),
        library("XDSCore", ["Primitives"]),

        // Shells around them.
        library("Store", ["SQLite"]),
        library(
            "Registry",
            [
                "GRPC", "Membership", "MeridianAPI", "Primitives", "Store", lifecycle, logging,
                nioCore, protobuf,
            ]
        ),
        library(
            "XDSServer",
            ["EnvoyAPI", "GRPC", "XDSCore", deque, lifecycle, logging, nioCore, protobuf]
        ),
        library("Telemetry", [logging]),
        library("CommandLine", ["Primitives", argumentParser]),
        library(
            "OperatorTools",
            [
                "GRPC", "HTTP2", "MeridianAPI", "Mesh", "Primitives", "Reports", "YAML", histogram,
                nioCore, protobuf,
            ]
        ),
        library(
            "ReportWorker",
            [
                "GRPC", "GRPCAPI", "MeridianAPI", "Primitives", "Registry", "Reports", "SQLite",
                "YAML",
                lifecycle, logging, nioCore, nioPosix,
            ]
        ),

        library(
            "ControlPlane",
            [
                "EnvoyAPI", "GRPC", "GRPCAPI", "Membership", "MeridianAPI", "Mesh", "Primitives",
                "Registry",
                "Routing", "Store", "Translation", "XDSCore", "XDSServer", "YAML", lifecycle,
                logging, nioPosix,
                protobuf,
            ]
        ),

        // Programs.
        program(
            "meridian-control",
            [
                "CommandLine", "ControlPlane", "GRPC", "Primitives", "Telemetry", "YAML",
                argumentParser, logging,
            ]
        ),
        program(
            "meridian-worker",
            [
                "CommandLine", "GRPC", "Primitives", "ReportWorker", "Telemetry", "YAML",
                argumentParser, logging,
            ]
        ),
        program(
            "meridian",
            [
                "CommandLine", "GRPC", "MeridianAPI", "Mesh", "OperatorTools", "Primitives",
                "SidecarBootstrap", "YAML", argumentParser, nioPosix, protobuf,
            ]
        ),
        program("bench-echo", ["GRPC", argumentParser]),

        // Tests.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        tests("EnvoyAPITests", ["EnvoyAPI", "GRPCAPI", "MeridianAPI", protobuf]),
        tests(
            "GRPCTests",
            [
                "CAllocationCounter", "CNghttp2", "GRPC", "GRPCAPI", "HTTP2", "Primitives",
                lifecycle, logging, nioCore, nioPosix, protobuf,
            ]
        ),
        tests("HTTP2Tests", ["CNghttp2", "HTTP2", "Primitives", nioCore, nioEmbedded]),
        tests(
            "IntegrationTests",
            ["GRPC", "MeridianAPI", "Primitives", "SidecarBootstrap", nioPosix, protobuf],
            exclude: ["Fixtures"]
        ),
        tests("MembershipTests", ["CAllocationCounter", "Membership", "Primitives"]),
        tests("MeshTests", ["Mesh", "Primitives", "YAML"]),
        tests(
            "OperatorToolsTests",
            ["MeridianAPI", "Mesh", "OperatorTools", "Primitives", "YAML"]
        ),
        tests("PrimitivesTests", ["Primitives"]),
        tests("ReportsTests", ["CAllocationCounter", "Reports", "YAML"]),
        tests("ReportWorkerTests", ["ReportWorker", "Reports", "SQLite", "YAML"]),
        tests("RoutingTests", ["Mesh", "Primitives", "Routing"]),
        tests("SidecarBootstrapTests", ["Primitives", "SidecarBootstrap"]),
        tests("SQLiteTests", ["SQLite"]),
        tests("StoreTests", ["Primitives", "SQLite", "Store"]),
        tests(
            "TranslationTests",
            [
                "EnvoyAPI", "Mesh", "Primitives", "Routing", "Translation", "XDSCore", "YAML",
                protobuf,
            ],
            exclude: ["Golden"]
        ),
        tests("XDSCoreTests", ["CAllocationCounter", "Primitives", "XDSCore"]),
        tests(
            "XDSServerTests",
            ["EnvoyAPI", "GRPC", "Primitives", "XDSCore", "XDSServer", logging, nioPosix, protobuf]
        ),
        tests("YAMLTests", ["Primitives", "YAML"]),
    ]
)
