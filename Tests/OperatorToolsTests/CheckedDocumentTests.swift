import OperatorTools
import Testing
import YAML

@Suite struct CheckedDocumentTests {
    private static let mesh = """
        apiVersion: meridian/v1
        kind: Mesh
        name: small
        regions: [{name: eu}]
        services: [{name: reports, routes: [/a/]}]
        """

    private static let report = """
        name: orders
        title: Orders
        sql: SELECT count(*) FROM customer_order
        columns: [{name: orders, type: integer}]
        """

    @Test func `a mesh description is told by its kind`() throws {
        let document = try CheckedDocument(Self.mesh, file: "mesh.yaml")
        #expect(document.summary == "mesh small, 1 region, 1 service")
    }

    @Test func `a report definition is told by its SQL`() throws {
        let document = try CheckedDocument(Self.report, file: "orders.yaml")
        #expect(document.summary == "report orders, 0 parameters, 1 column")
    }

    @Test func `errors have a place`() {
        let text = Self.mesh.replacing("kind: Mesh", with: "kind: Mash")
        let error = #expect(throws: Diagnostics.self) {
            try CheckedDocument(text, file: "mesh.yaml")
        }
        #expect(error?.description.hasPrefix("mesh.yaml:2:7: ") == true)
    }

    @Test func `anything else is told what a mesh needs`() {
        let error = #expect(throws: Diagnostics.self) {
            try CheckedDocument("name: nothing", file: "x.yaml")
        }
        #expect(error?.description.contains("kind") == true)
    }

    @Test func `a file that is not there is named`() {
        let error = #expect(throws: OperatorError.self) {
            try SourceFile(path: "/nowhere/mesh.yaml")
        }
        #expect(
            error?.message == "/nowhere/mesh.yaml: can't be read: No such file or directory"
        )
    }
}
