import Logging

/// One object on its way up in parts.
struct MultipartUpload: Sendable {
  /// The most parts that an object may have.
  static let partsMax: Int64 = 10_000

  let store: S3Store
  let place: S3Location
  let file: ReadableFile
  let size: Int64

  /// The size of all parts but the last: at least `least`, so that there are at most 10,000.
  static func partBytes(size: Int64, least: Int64) -> Int64 {
    let needed = size / partsMax + (size % partsMax == 0 ? 0 : 1)
    let mebibyte: Int64 = 1 << 20
    return max(least, (needed + mebibyte - 1) / mebibyte * mebibyte)
  }

  /// Uploads everything; after a failure nothing is left behind, as far as the store can be reached.
  func run() async throws(IcebergError) -> ObjectInfo {
    let upload = try await create()
    do {
      let tags = try await sendParts(upload)
      return try await complete(upload, tags)
    } catch {
      if error.kind != .unknownOutcome { await abort(upload) }
      throw error
    }
  }

  private func call(_ method: String, _ query: [(name: String, value: String)]) -> S3Call {
    S3Call(method: method, bucket: place.bucket, key: place.key, query: query)
  }

  private func create() async throws(IcebergError) -> String {
    let call = call("POST", [("uploads", "")])
    let response = try await store.client.require(call)
    guard let upload = XMLTree.parse(response.body)?["UploadId"]?.text, !upload.isEmpty else {
      throw IcebergError(.corrupt, "\(call.summary)?uploads: the answer has no UploadId")
    }
    return upload
  }

  /// A part that has arrived.
  private struct Part: Sendable {
    var index: Int
    var tag: String
  }

  private func sendParts(_ upload: String) async throws(IcebergError) -> [String] {
    let bytes = Self.partBytes(size: size, least: max(1, store.configuration.partBytesMin))
    let count = Int((size + bytes - 1) / bytes)
    var tags = [String](repeating: "", count: count)
    do {
      try await withThrowingTaskGroup(of: Part.self) { group in
        var next = 0
        func range(_ index: Int) -> Range<Int64> {
          Int64(index) * bytes..<min(Int64(index + 1) * bytes, size)
        }
        while next < min(count, max(1, store.configuration.concurrentParts)) {
          let index = next
          let part = range(index)
          group.addTask { try await sendPart(upload, index, part) }
          next += 1
        }
        while let part = try await group.next() {
          tags[part.index] = part.tag
          guard next < count else { continue }
          let index = next
          let following = range(index)
          group.addTask { try await sendPart(upload, index, following) }
          next += 1
        }
      }
    } catch {
      throw (error as? IcebergError) ?? IcebergError(.transient, "the upload of \(file.path) was cancelled: \(error)")
    }
    return tags
  }

  private func sendPart(_ upload: String, _ index: Int, _ range: Range<Int64>) async throws -> Part {
    try Task.checkCancellation()
    var call = call("PUT", [("partNumber", String(index + 1)), ("uploadId", upload)])
    call.body = .file(path: file.path, range: range)
    let file = file
    call.payloadHash = try await store.files.run { () throws(IcebergError) in try Digests.sha256(file, range) }
    let response = try await store.client.require(call)
    guard let tag = response.headers["ETag"], !tag.isEmpty else {
      throw IcebergError(.corrupt, "\(call.summary): the answer to part \(index + 1) has no ETag")
    }
    return Part(index: index, tag: tag)
  }

  private func complete(_ upload: String, _ tags: [String]) async throws(IcebergError) -> ObjectInfo {
    var text = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
    for (index, tag) in tags.enumerated() {
      text += "<Part><PartNumber>\(index + 1)</PartNumber><ETag>\(XMLText.escape(tag))</ETag></Part>"
    }
    text += "</CompleteMultipartUpload>"
    let body = Array(text.utf8)
    var call = call("POST", [("uploadId", upload)])
    call.body = .bytes(body)
    call.payloadHash = Digests.sha256(body)
    call.headers["Content-Type"] = "application/xml"
    call.mayFailLate = true
    let reason: IcebergError
    let isUnknown: Bool
    switch try await store.client.perform(call) {
    case .lost(let failure):
      reason = S3Client.error(failure)
      isUnknown = failure.mayHaveBeenApplied
    case .answer(let answer):
      let root = XMLTree.parse(answer.response.body)
      if answer.response.isSuccess, let root, root.name == "CompleteMultipartUploadResult" {
        return info(root["ETag"]?.text)
      }
      let failure = S3Failure(answer.response)
      reason = failure.error("\(call.summary) (completing an upload)")
      // A success without a result, a server's error, or an upload that an earlier attempt may have ended.
      isUnknown =
        answer.response.isSuccess && failure.code.isEmpty || failure.status >= 500
        || failure.isTransient || answer.mayHaveBeenAppliedBefore
    }
    guard isUnknown else { throw reason }
    return try await settle(tags, because: reason)
  }

  /// Looks whether the object is there, as it would be after a completion whose answer was lost.
  private func settle(_ tags: [String], because reason: IcebergError) async throws(IcebergError) -> ObjectInfo {
    let found: ObjectInfo?
    do {
      found = try await store.head(place)
    } catch {
      throw IcebergError(.unknownOutcome, "\(reason.message). Looking at the object failed, too: \(error.message)")
    }
    if let found, found.size == size, let tag = found.entityTag, isExpected(tag, tags) { return found }
    throw reason
  }

  /// The tag of an object in parts is the MD5 of the parts' MD5s, unless the store encrypts; the count always shows.
  private func isExpected(_ tag: String, _ parts: [String]) -> Bool {
    let bare = XMLText.unquoted(tag)
    let digests = parts.map { Self.bytes(hexadecimal: XMLText.unquoted($0)) }
    if digests.allSatisfy({ $0 != nil }) {
      let all = digests.flatMap { $0 ?? [] }
      if bare == "\(Digests.hexadecimal(Digests.md5(all)))-\(parts.count)" { return true }
    }
    return bare.hasSuffix("-\(parts.count)") && digests.contains { $0 == nil }
  }

  private static func bytes(hexadecimal text: String) -> [UInt8]? {
    guard text.utf8.count == 32 else { return nil }
    var bytes: [UInt8] = []
    var rest = text[...]
    while !rest.isEmpty {
      guard let byte = UInt8(rest.prefix(2), radix: 16) else { return nil }
      bytes.append(byte)
      rest = rest.dropFirst(2)
    }
    return bytes
  }

  private func info(_ tag: String?) -> ObjectInfo {
    ObjectInfo(
      location: place.location(ofKey: place.key), size: size,
      modifiedMilliseconds: store.environment.nowMilliseconds(), entityTag: tag)
  }

  /// Frees the parts: they cost money until somebody does.
  private func abort(_ upload: String) async {
    var call = call("DELETE", [("uploadId", upload)])
    call.ignoresCancellation = true
    do {
      if case .answer(let answer) = try await store.client.perform(call),
        answer.response.isSuccess || answer.response.status == 404
      {
        return
      }
    } catch {}
    store.logger.warning(
      "an upload could not be aborted: its parts stay until the bucket's rules remove them",
      metadata: ["location": "\(place.location(ofKey: place.key))", "upload": "\(upload)"])
  }
}

/// Character data of XML.
enum XMLText {
  static func escape(_ text: String) -> String {
    var result = ""
    for character in text.unicodeScalars {
      switch character {
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "&": result += "&amp;"
      case "\"": result += "&quot;"
      case "\r": result += "&#13;"
      case "\n": result += "&#10;"
      case "\t": result += "&#9;"
      default: result.unicodeScalars.append(character)
      }
    }
    return result
  }

  /// Whether XML 1.0 can carry the text at all.
  static func canCarry(_ text: String) -> Bool {
    text.unicodeScalars.allSatisfy {
      $0.value >= 0x20 && $0.value != 0xFFFE && $0.value != 0xFFFF || [0x09, 0x0A, 0x0D].contains($0.value)
    }
  }

  static func unquoted(_ tag: String) -> String {
    tag.count >= 2 && tag.hasPrefix("\"") && tag.hasSuffix("\"") ? String(tag.dropFirst().dropLast()) : tag
  }
}
