// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .treatAllWarnings(as: .error),
]

/// For the targets that every request, and every stream of every configuration change, goes through.
///
/// Debug builds, which all tests are, check at each access to a class's property that nobody else
/// is changing it; release builds go without (docs/adr/0012).
let runtimeSettings =
    settings + [
        .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
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
let nioHTTP1 = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")

func library(
    _ name: String,
    _ dependencies: [Target.Dependency] = [],
    settings: [SwiftSetting] = settings
) -> Target {
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
        .systemLibrary(name: "CEpoll"),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .systemLibrary(
            name: "CSQLite",
            pkgConfig: "sqlite3",
            providers: [.apt(["libsqlite3-dev"])]
        ),
        .systemLibrary(
            name: "CZlib",
            pkgConfig: "zlib",
            providers: [.apt(["zlib1g-dev"])]
        ),
        .systemLibrary(name: "CYAML", pkgConfig: "yaml-0.1", providers: [.apt(["libyaml-dev"])]),

        // Foundations.
        library("Primitives"),
        library("SQLite", ["CSQLite"]),
        library("YAML", ["CYAML", "Primitives"]),

        // The gRPC runtime.
        library("HTTP2", ["CNghttp2", deque, nioCore], settings: runtimeSettings),
        library("TLS", ["COpenSSL", lifecycle, logging, nioCore], settings: runtimeSettings),
        library(
            "GRPC",
            [
                "CZlib", "GRPCAPI", "HTTP2", "Primitives", "TLS", deque, lifecycle, logging,
                nioCore, nioPosix, protobuf,
            ],
            settings: runtimeSettings
        ),

        // Generated from xds/protos by scripts/generate.
        library("EnvoyAPI", [protobuf]),
        library("EtcdAPI", [protobuf]),
        library("GRPCAPI", [protobuf]),
        library("InteropAPI", [protobuf]),
        library("MeridianAPI", [protobuf]),

        // Decisions, without I/O.
        library("ChannelPolicy", ["Primitives", "YAML"]),
        library("Loads", ["Primitives"]),
        library("Membership", ["Primitives"]),
        library("Mesh", ["Primitives", "YAML"]),
        library("Quarantine", ["Primitives", "XDSCore"]),
        library("Reports", ["Primitives", "YAML"]),
        library("Routing", ["Mesh", "Primitives"]),
        library("SidecarBootstrap", ["Mesh", "Primitives"]),
        library("Translation", ["EnvoyAPI", "Mesh", "Primitives", "Routing", "XDSCore", protobuf]),
        library("XDSCore", ["Primitives"], settings: runtimeSettings),

        // Shells around them.
        library("Store", ["SQLite"]),
        library(
            "EtcdStore",
            ["EtcdAPI", "GRPC", "HTTP2", "Primitives", "Store", logging, nioCore, protobuf]
        ),
        library(
            "Registry",
            [
                "GRPC", "GRPCAPI", "Membership", "MeridianAPI", "Primitives", "Store", lifecycle,
                logging,
                nioCore, protobuf,
            ]
        ),
        library(
            "XDSServer",
            [
                "EnvoyAPI", "GRPC", "Loads", "Primitives", "XDSCore", deque, lifecycle, logging,
                nioCore, protobuf,
            ],
            settings: runtimeSettings
        ),
        library(
            "GRPCChannel",
            [
                "ChannelPolicy", "GRPC", "GRPCAPI", "HTTP2", "Primitives", deque, logging, nioCore,
                nioPosix, protobuf,
            ]
        ),
        library("Telemetry", [logging]),
        library("CommandLine", ["Primitives", argumentParser]),
        library("Interop", ["GRPC", "InteropAPI", "TLS", protobuf]),
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

        library("ResourceJSON", ["EnvoyAPI", "MeridianAPI", protobuf]),
        library("AdminHTTP", ["Primitives", lifecycle, logging, nioCore, nioHTTP1, nioPosix]),
        library(
            "ControlPlane",
            [
                "AdminHTTP", "EnvoyAPI", "EtcdStore", "GRPC", "GRPCAPI", "Loads", "Membership",
                "MeridianAPI", "Mesh", "Primitives", "Quarantine", "Registry", "ResourceJSON",
                "Routing", "Store", "Translation", "XDSCore", "XDSServer", "YAML", deque,
                lifecycle, logging, nioPosix,
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
                "ResourceJSON", "SidecarBootstrap", "YAML", argumentParser, nioPosix, protobuf,
            ]
        ),
        program("bench-echo", ["GRPC", "TLS", argumentParser]),
        program(
            "interop-server",
            ["GRPC", "Interop", "Primitives", argumentParser, logging, nioPosix]
        ),
        program("interop-client", ["GRPC", "Interop", "Primitives", argumentParser, nioPosix]),
        program("bench-load", ["GRPC", "Primitives", argumentParser, nioPosix]),
        program(
            "bench-xds",
            [
                "CEpoll", "CNghttp2", "EnvoyAPI", "MeridianAPI", "Primitives", argumentParser,
                protobuf,
            ]
        ),
        program(
            "bench-registry",
            ["GRPC", "MeridianAPI", "Primitives", argumentParser, nioPosix, protobuf]
        ),

        // Tests.
        .target(name: "CAllocationCounter", path: "Tests/CAllocationCounter"),
        tests("ChannelPolicyTests", ["CAllocationCounter", "ChannelPolicy", "Primitives", "YAML"]),
        tests(
            "ControlPlaneTests",
            [
                "ControlPlane", "EnvoyAPI", "GRPC", "Membership", "MeridianAPI", "Mesh",
                "Primitives", "Quarantine", "Registry", "Store", "Translation", "XDSCore",
                "XDSServer", "YAML", logging, protobuf,
            ]
        ),
        tests(
            "AdminHTTPTests",
            ["AdminHTTP", "Primitives", logging, nioCore, nioHTTP1, nioPosix]
        ),
        tests("ResourceJSONTests", ["EnvoyAPI", "MeridianAPI", "ResourceJSON", protobuf]),
        tests("EnvoyAPITests", ["EnvoyAPI", "GRPCAPI", "MeridianAPI", protobuf]),
        tests(
            "GRPCTests",
            [
                "CAllocationCounter", "CNghttp2", "GRPC", "GRPCAPI", "HTTP2",
                "Interop", "InteropAPI", "Primitives", "TLS", "TLSTestSupport", lifecycle,
                logging, nioCore, nioPosix, protobuf,
            ]
        ),
        tests(
            "GRPCChannelTests",
            [
                "CAllocationCounter", "ChannelPolicy", "GRPC", "GRPCChannel", "HTTP2", "Primitives",
                logging, nioCore, nioPosix, protobuf,
            ]
        ),
        tests("HTTP2Tests", ["CNghttp2", "HTTP2", "Primitives", nioCore, nioEmbedded]),
        tests(
            "IntegrationTests",
            [
                "EnvoyAPI", "GRPC", "MeridianAPI", "Primitives", "SidecarBootstrap", "XDSCore",
                "XDSServer", logging, nioPosix, protobuf,
            ],
            exclude: ["Fixtures"]
        ),
        tests("LoadsTests", ["Loads", "Primitives"]),
        tests("MembershipTests", ["CAllocationCounter", "Membership", "Primitives"]),
        tests("MeshTests", ["Mesh", "Primitives", "YAML"]),
        tests(
            "OperatorToolsTests",
            ["MeridianAPI", "Mesh", "OperatorTools", "Primitives", "YAML"]
        ),
        tests("PrimitivesTests", ["Primitives"]),
        tests("QuarantineTests", ["Primitives", "Quarantine", "XDSCore"]),
        tests("ReportsTests", ["CAllocationCounter", "Reports", "YAML"]),
        tests("ReportWorkerTests", ["ReportWorker", "Reports", "SQLite", "YAML"]),
        tests("RoutingTests", ["Mesh", "Primitives", "Routing"]),
        tests("SidecarBootstrapTests", ["Primitives", "SidecarBootstrap"]),
        tests("SQLiteTests", ["SQLite"]),
        tests(
            "StoreTests",
            ["EtcdAPI", "EtcdStore", "GRPC", "Primitives", "SQLite", "Store", logging, nioPosix]
        ),
        .target(
            name: "TLSTestSupport",
            dependencies: ["COpenSSL"],
            path: "Tests/TLSTestSupport",
            swiftSettings: settings
        ),
        tests(
            "TLSTests",
            [
                "CAllocationCounter", "GRPC", "HTTP2", "Primitives", "TLS", "TLSTestSupport",
                logging, nioCore, nioEmbedded, nioPosix,
            ],
            exclude: ["Fixtures"]
        ),
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
            [
                "CAllocationCounter", "EnvoyAPI", "GRPC", "Loads", "Primitives", "XDSCore",
                "XDSServer", logging, nioCore, nioPosix, protobuf,
            ]
        ),
        tests("YAMLTests", ["Primitives", "YAML"]),
    ]
)

// Fuzz targets have no main of their own: libFuzzer brings it, and scripts/fuzz the flags.
if Context.environment["MERIDIAN_FUZZ"] != nil {
    func fuzz(_ name: String, path: String, _ dependencies: [Target.Dependency]) -> Target {
        .executableTarget(
            name: name,
            dependencies: dependencies,
            path: path,
            swiftSettings: settings + [.unsafeFlags(["-parse-as-library"])]
        )
    }
    package.targets += [
        fuzz(
            "fuzz-http2",
            path: "Tests/Fuzz/HTTP2",
            ["CNghttp2", "GRPC", "HTTP2", logging, nioCore, nioEmbedded]
        ),
        fuzz("fuzz-tls", path: "Tests/Fuzz/TLS", ["TLS", "TLSTestSupport", nioCore, nioEmbedded]),
    ]
}
