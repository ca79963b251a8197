/// Where libFuzzer comes in.
@_cdecl("LLVMFuzzerTestOneInput")
func fuzzTLS(_ bytes: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    FuzzedHandshake.run(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}
