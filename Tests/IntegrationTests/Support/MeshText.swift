/// A mesh description with two regions and one service; tests change what they are about.
///
/// A third region, as far away as one can be, comes last where a test needs it.
struct MeshText {
    var timeout = "3s"
    var minimumConcurrency = 64
    var lease = "5s"
    var hasThirdRegion = false

    var yaml: String {
        """
        apiVersion: meridian/v1
        kind: Mesh
        name: integration
        regions:
          - name: eu
            zones: [eu-a, eu-b]
          - name: us
            zones: [us-a, us-b]\(hasThirdRegion ? Self.thirdRegion : "")
        roundTripTimes:
          - between: [eu, us]
            time: 85ms\(hasThirdRegion ? Self.thirdRegionTimes : "")
        services:
          - name: reports
            routes: [/meridian.v1.ReportService/]
            timeout: \(timeout)
            retries:
              attempts: 3
              perTryTimeout: 1s
              minimumConcurrency: \(minimumConcurrency)
            lease: \(lease)

        """
    }

    private static let thirdRegion = "\n  - name: ap\n    zones: [ap-a]"
    private static let thirdRegionTimes = ["eu", "us"].map {
        "\n  - between: [\($0), ap]\n    time: 300ms"
    }
    .joined()
}
