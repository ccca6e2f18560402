// SPDX-License-Identifier: Apache-2.0
// A client of the Sinter search server in a page: connection, deadlines, retries, error details. Copy it.
//
//   const sinter = connect('127.0.0.1:7700')
//   const answer = await sinter.call('search', 'Search', {collection: 'shop', query: 'red shoe'}, {seconds: 1})
import fs from 'node:fs'
import path from 'node:path'
import {fileURLToPath} from 'node:url'
import {setTimeout as sleep} from 'node:timers/promises'
import grpc from '@grpc/grpc-js'
import loader from '@grpc/proto-loader'
import protobuf from 'protobufjs'

const here = path.dirname(fileURLToPath(import.meta.url))

// Where the .proto files are: $SINTER_PROTO, this source tree, or what sinter-dev installed.
const protos = [process.env.SINTER_PROTO, path.join(here, '../../../proto'), '/usr/share/sinter/proto']
  .find((folder) => folder && fs.existsSync(path.join(folder, 'sinter/v1/search.proto')))
const interop = fs.existsSync(path.join(protos, 'interop')) ? path.join(protos, 'interop') : protos

// 64-bit numbers as strings: a sequence is handed back as it came. Enums by name. Only the member of a oneof that is set.
const definition = loader.loadSync(['search', 'catalog', 'events', 'admin'].map((name) => `sinter/v1/${name}.proto`),
  {includeDirs: [protos], keepCase: true, longs: String, enums: String, defaults: true, oneofs: true})
const api = grpc.loadPackageDefinition(definition).sinter.v1

const details = new protobuf.Root()
details.resolvePath = (origin, target) => path.isAbsolute(target) || target.startsWith('google/protobuf/') ? target : path.join(interop, target)
details.loadSync(['google/rpc/status.proto', 'google/rpc/error_details.proto'], {keepCase: true})

// What the server said: code, text, the fields that were wrong, and after how many milliseconds to come back.
export class Refused extends Error {
  constructor(error) {
    super(`${grpc.status[error.code]}: ${error.details}`)
    this.code = error.code
    this.fields = []
    const packed = error.metadata?.get('grpc-status-details-bin')[0]
    const unpack = (name, any) => details.lookupType(name).decode(any.value)
    for (const any of packed ? details.lookupType('google.rpc.Status').decode(packed).details : []) {
      if (any.type_url.endsWith('/google.rpc.BadRequest')) this.fields.push(...unpack('google.rpc.BadRequest', any).field_violations)
      if (any.type_url.endsWith('/google.rpc.RetryInfo')) {
        const wait = unpack('google.rpc.RetryInfo', any).retry_delay
        this.retryAfter = Number(wait?.seconds ?? 0) * 1000 + (wait?.nanos ?? 0) / 1e6
      }
    }
  }
}

export function connect(address = process.env.SINTER_SERVER ?? '127.0.0.1:7700') {
  const plain = grpc.credentials.createInsecure()
  const stubs = {
    search: new api.SearchService(address, plain), catalog: new api.CatalogService(address, plain),
    events: new api.EventService(address, plain), admin: new api.AdminService(address, plain),
  }

  function once(service, method, request, deadline) {
    return new Promise((done, fail) => stubs[service][method](request, {deadline}, (error, answer) => error ? fail(error) : done(answer)))
  }

  // One answer within `seconds`, all tries together. Waits as long as the server says, or a little longer each time. For reads, and writes
  // with a write_id or event_id: those may be sent again.
  async function call(service, method, request, {seconds = 5} = {}) {
    const end = Date.now() + seconds * 1000
    for (let wait = 50; ; wait = Math.min(2 * wait, 2000)) {
      try {
        return await once(service, method, request, end)
      } catch (error) {
        if (error.code === undefined) throw error
        const refused = new Refused(error)
        const pause = refused.retryAfter || wait * (0.5 + Math.random())
        if (!(refused.retryAfter || refused.code === grpc.status.UNAVAILABLE) || Date.now() + pause >= end) throw refused
        await sleep(pause)
      }
    }
  }

  // A call of many messages: what is sent (for a stream both ways), and the answers as they come.
  async function* stream(service, method, {send, request, seconds = 30}) {
    const deadline = Date.now() + seconds * 1000
    const call = send ? stubs[service][method]({deadline}) : stubs[service][method](request, {deadline})
    if (send) {
      for (const message of send) call.write(message)
      call.end()
    }
    try {
      yield* call
    } catch (error) {
      throw error.code === undefined ? error : new Refused(error)
    }
  }

  const close = () => Object.values(stubs).forEach((stub) => stub.close())
  return {address, call, stream, close}
}
