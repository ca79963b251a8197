import ArgumentParser
import CommandLine
import GRPC
import MeridianAPI
import OperatorTools
import Primitives
import YAML

struct Report: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Asks a worker or a sidecar for a report, and prints it.",
        usage: """
            meridian report customer-statement --param customer=42 --target 127.0.0.1:15001
            meridian report --list --target 127.0.0.1:15001
            """
    )

    private static let service = "/meridian.v1.ReportService"

    enum Format: String, ExpressibleByArgument, CaseIterable {
        case csv
        case json

        var wire: Meridian_V1_Format {
            switch self {
            case .csv: .csv
            case .json: .json
            }
        }
    }

    @Argument(help: "The report's name.")
    var name: String?

    @Flag(help: "List the reports and their parameters.")
    var list = false

    @Option(help: "A parameter, NAME=VALUE; give one --param for each.")
    var param: [String] = []

    @Option(help: "How the report is written.")
    var format = Format.csv

    @Option(help: "The sidecar or worker to ask, HOST:PORT.")
    var target: EndpointAddress

    @Option(help: "How long to wait for the answer.", transform: Duration.init(argument:))
    var timeout = Duration.seconds(3)

    func validate() throws {
        guard (name == nil) == list else {
            throw ValidationError("expected a report's name or --list, and not both")
        }
        try check(
            timeout,
            of: "--timeout",
            isIn: LoadConfiguration.timeoutRange,
            text: durationText
        )
    }

    func run() async throws {
        let client = GRPCClient(addresses: [target])
        guard let name else { return try await showList(client) }
        let parameters = try parseNamedValues(
            param,
            field: "--param",
            example: "NAME=VALUE such as customer=42"
        )
        let request = Meridian_V1_GenerateReportRequest.with {
            $0.report = name
            $0.parameters = parameters
            $0.format = format.wire
        }
        let started = ContinuousClock.now
        let response: Meridian_V1_GenerateReportResponse =
            try await client.unary("\(Self.service)/GenerateReport", request, timeout: timeout)
        let taken = (ContinuousClock.now - started) / .milliseconds(1)
        let output = try OutputFile(path: "-")
        try output.write(response.content)
        // JSON has no line end of its own, and what follows on a terminal should not stick to it.
        if response.content.last != UInt8(ascii: "\n") { try output.write([UInt8(ascii: "\n")]) }
        let server = response.servedBy
        printError(
            printable(
                "\(counted(response.rows, "row")) from \(server.workerID) in "
                    + "\(server.locality.region), \(latencyText(milliseconds: taken))"
            )
        )
    }

    private func showList(_ client: GRPCClient) async throws {
        let response: Meridian_V1_ListReportsResponse = try await client.unary(
            "\(Self.service)/ListReports",
            Meridian_V1_ListReportsRequest(),
            timeout: timeout
        )
        print(TextTable(reports: response.reports))
    }
}
