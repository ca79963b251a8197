package import Mesh
package import Reports
package import YAML

/// A file that has passed every check that needs no control plane and no database.
package enum CheckedDocument: Sendable {
    case mesh(Mesh)
    case report(ReportDefinition)

    /// Reads a mesh description or a report definition.
    ///
    /// A report definition has no `kind`, but it has SQL; anything else is taken for a mesh, whose
    /// errors say what a mesh needs.
    package init(_ text: String, file: String) throws(Diagnostics) {
        let node = try YAMLNode.parse(text, file: file)
        if case .mapping(let entries) = node.content,
            !entries.contains(where: { $0.key == "kind" }),
            entries.contains(where: { $0.key == "sql" })
        {
            self = .report(try ReportDefinition.decode(node))
        } else {
            self = .mesh(try Mesh.decode(node))
        }
    }

    /// What the file holds, in a few words.
    package var summary: String {
        switch self {
        case .mesh(let mesh):
            "mesh \(mesh.name), \(counted(mesh.regions.count, "region")), "
                + counted(mesh.services.count, "service")
        case .report(let report):
            "report \(report.name), \(counted(report.parameters.count, "parameter")), "
                + counted(report.columns.count, "column")
        }
    }
}

/// `1 region`, `3 regions`.
package func counted(_ count: some BinaryInteger, _ noun: String) -> String {
    count == 1 ? "1 \(noun)" : "\(count) \(noun)s"
}
