import ArgumentParser
import CommandLine
import OperatorTools
import YAML

struct Check: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Checks mesh descriptions and report definitions, without a control plane."
    )

    @Option(
        name: [.short, .long],
        parsing: .upToNextOption,
        help: "The files to check; - is standard input."
    )
    var file: [String]

    func run() throws {
        var isRight = true
        for path in file {
            do {
                let source = try SourceFile(path: path)
                let document = try CheckedDocument(source.text, file: source.name)
                print("\(source.name): ok (\(document.summary))")
            } catch let error as Diagnostics {
                printError("\(error)")
                isRight = false
            } catch let error as OperatorError {
                printError(error.message)
                isRight = false
            }
        }
        if !isRight { throw ExitCode(2) }
    }
}
