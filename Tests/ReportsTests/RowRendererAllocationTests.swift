import CAllocationCounter
import Reports
import Testing

struct RowRendererAllocationTests {
    @Test(.enabled(if: allocation_counting_works()), arguments: [ReportFormat.csv, .json])
    func `a row allocates nothing while the buffer has room`(format: ReportFormat) throws {
        let report = try definition(everyKind)
        let values = try report.values(for: ["year": "2024"])
        let name = Array("Zoë \"O'Brien\", Ghent".utf8)
        let day = Array("2024-02-29".utf8)
        var renderer = RowRenderer(report, values: values, format: format, reservedBytes: 1 << 20)

        func append(_ rows: Int, to renderer: inout RowRenderer) {
            for row in 0..<rows {
                renderer.beginRow()
                name.withUnsafeBufferPointer { renderer.text($0) }
                day.withUnsafeBufferPointer { renderer.text($0) }
                renderer.null()
                renderer.integer(Int64(row))
                renderer.double(0.375)
                renderer.integer(-1_999)
                renderer.endRow()
            }
        }
        // What the runtime sets up once on first use is no cost of a row.
        append(1, to: &renderer)
        let before = allocation_count_of_this_thread()
        append(1_000, to: &renderer)
        let allocations = allocation_count_of_this_thread() - before
        #expect(allocations == 0)
        #expect(renderer.rowCount == 1_001)
        // A counter that is not wired up would have seen nothing either.
        let probe = allocation_count_of_this_thread()
        let copy = [UInt8](repeating: 0, count: renderer.byteCount)
        let counted = allocation_count_of_this_thread() - probe
        #expect(counted >= 1, "\(copy.count) bytes")
    }
}
