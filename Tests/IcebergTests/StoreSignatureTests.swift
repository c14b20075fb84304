import Iceberg
import IcebergSupport
import TestSupport
import TestTraits
import Testing

@Suite("Signature Version 4", .fewAtOnce)
struct StoreSignatureTests {
  static let signer = SignatureV4(
    credentials: S3Credentials(
      accessKeyID: "AKIAIOSFODNN7EXAMPLE", secretAccessKey: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
    region: "us-east-1")
  static let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

  private func signature(
    _ method: String, _ path: String, _ query: [(name: String, value: String)] = [], _ headers: HTTPHeaderList = [:],
    hash: String = nothing
  ) -> String {
    var headers = headers
    headers["Host"] = "examplebucket.s3.amazonaws.com"
    headers["x-amz-content-sha256"] = hash
    let message = SignatureV4.Message(
      method: method, encodedPath: path, query: query, headers: headers, payloadHash: hash)
    // 2013-05-24T00:00:00Z
    let signed = Self.signer.sign(message, atMilliseconds: 1_369_353_600_000)
    return String(signed["Authorization"]?.suffix(64) ?? "")
  }

  @Test("the examples of Amazon's documentation have the signatures that are printed there")
  func documented() {
    #expect(
      signature("GET", "/test.txt", [], ["Range": "bytes=0-9"])
        == "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
    let headers: HTTPHeaderList = [
      "Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"
    ]
    #expect(
      signature(
        "PUT", "/test%24file.text", [], headers,
        hash: "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072")
        == "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd")
    #expect(
      signature("GET", "/", [("lifecycle", "")]) == "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543")
    #expect(
      signature("GET", "/", [("prefix", "J"), ("max-keys", "2")])
        == "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7")
  }

  @Test("credentials show no secret in any description")
  func secrecy() {
    let credentials = S3Credentials(accessKeyID: "ID", secretAccessKey: "hidden-1", sessionToken: "hidden-2")
    var dumped = ""
    dump(credentials, to: &dumped)
    #expect(!("\(credentials) \(String(reflecting: credentials)) " + dumped).contains("hidden"))
  }

  @Test("XML is read strictly: entities, prefixes, CDATA, comments; and nothing that is not well-formed")
  func xml() {
    let good = "<?xml version='1.0'?><!-- x --><a:R xmlns:a=\"u\"><K>a&amp;&#x62;&#99;<![CDATA[<d>]]></K><E/></a:R>\n"
    let root = XMLTree.parse(Array(good.utf8))
    #expect(root?.name == "R")
    #expect(root?["K"]?.text == "a&bc<d>")
    #expect(root?["E"]?.text == "")
    let bad = [
      "", "<a>", "<a></b>", "<a/><b/>", "<a>&unknown;</a>", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "<a b></a>",
      "<a b=c></a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "text", "<a>\u{0}</a", "<a b='<'/>",
      String(repeating: "<a>", count: 100) + String(repeating: "</a>", count: 100)
    ]
    for text in bad { #expect(XMLTree.parse(Array(text.utf8)) == nil, "\(text.prefix(60))") }
    #expect(XMLTree.parse([0x3C, 0x61, 0x3E, 0xFF, 0x3C, 0x2F, 0x61, 0x3E]) == nil)
    #expect(XMLTree.parse(Array("<a><b/><b/><b/></a>".utf8), elementsMax: 3) == nil)
  }

  @Test("damaged XML never crashes", arguments: [UInt64(1), 2, 3])
  func damagedXML(seed: UInt64) {
    var random = SeededNumbers(seed: seed)
    let good = Array("<?xml version='1.0'?><R x=\"1\"><K>a&amp;&#98;<![CDATA[x]]></K><!-- c --><E/></R>".utf8)
    for _ in 0..<5000 {
      var text = good
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        text[Int.random(in: 0..<text.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
      }
      _ = XMLTree.parse(Array(text.prefix(Int.random(in: 0...text.count, using: &random))))
    }
  }
}
