/// A mesh description with two regions and one service; tests change what they are about.
struct MeshText {
    var timeout = "3s"
    var minimumConcurrency = 64
    var lease = "5s"

    var yaml: String {
        """
        apiVersion: meridian/v1
        kind: Mesh
        name: integration
        regions:
          - name: eu
            zones: [eu-a, eu-b]
          - name: us
            zones: [us-a, us-b]
        roundTripTimes:
          - between: [eu, us]
            time: 85ms
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
}
