// SPDX-License-Identifier: Apache-2.0
// What a shop does with Sinter, once through: node tour.mjs [COLLECTION] [WORDS...], against $SINTER_SERVER or 127.0.0.1:7700.
//
// Items in, a search with its reasons, pages, what somebody clicked, an error, and what an operator does. It adds two items of its
// own and takes them out again.
import {randomUUID} from 'node:crypto'
import {connect, Refused} from './sinter.mjs'

const sinter = connect()

// A stream of batches, each with a write_id: sent again after a broken connection, it changes nothing.
async function writeItems(collection, titleField) {
  const run = randomUUID()
  const batches = [1, 2].map((n) => ({
    collection, write_id: `${run}/${n}`, items: [{id: `tour-${n}`, fields: {[titleField]: {string_value: `zeppelin number ${n}`}}}],
  }))
  let sequence = '0'
  for (const attempt of ['first', 'again']) {
    const answers = []
    for await (const answer of sinter.stream('catalog', 'UpsertItems', {send: batches})) answers.push(answer)
    const rejected = answers.flatMap((a) => a.rejected).flatMap((r) => r.violations.map((v) => `${r.id}: ${v.field} ${v.description}`))
    console.log(`upsert, ${attempt}: ${answers.map((a) => a.accepted)} accepted, repeated ${answers.map((a) => a.repeated_write)}`, ...rejected)
    sequence = answers.at(-1).sequence
  }
  return sequence
}

const search = (collection, query, more) => sinter.call('search', 'Search', {collection, query, fields: ['*'], ...more})

function show(answer, titleField) {
  answer.hits.forEach((hit, i) => {
    console.log(`  ${String(i + 1).padStart(2)}  ${hit.score.toFixed(4)}  ${(hit.fields[titleField]?.string_value ?? hit.id).slice(0, 60)}`)
    for (const stage of hit.explanation?.stages ?? []) {
      const shares = stage.rankers.filter((r) => !r.missing).map((r) => `${r.ranker} ${r.contribution.toFixed(3)}`)
      console.log(`        ${stage.name}: place ${stage.rank_before} -> ${stage.rank_after}; ${shares.join(', ') || 'no ranker'}`)
    }
  })
  for (const part of answer.degraded) console.log(`  without ${part.name}: ${part.reason}`) // never a silent gap
}

// All pages of two, by cursor: nothing twice, nothing left out.
async function pages(collection, query) {
  const ids = []
  let answer
  do {
    answer = await search(collection, query, {page_size: 2, cursor: answer?.cursor ?? '', no_impression: true})
    ids.push(...answer.hits.map((hit) => hit.id))
  } while (answer.cursor && ids.length < 6)
  console.log(`pages: ${ids.length} hits of ${answer.total}, ${ids.length - new Set(ids).size} twice`)
}

// The server names the types that it takes when it is given another.
async function eventTypes(collection) {
  const wrong = {event_id: randomUUID(), collection, type: 'no-such-type', user_id: 'tour', item_ids: ['x']}
  const {rejected} = await sinter.call('events', 'RecordEvents', {events: [wrong]})
  return (rejected[0]?.valid ?? '').split(';')[0].split(',').map((t) => t.trim()).filter((t) => /^[a-z][a-z0-9_]*$/.test(t))
}

// The event names the answer that showed the item and where. Its id makes a retry count once.
async function click(collection, answer, [type]) {
  if (!answer.hits.length || !type) return
  const event = {event_id: randomUUID(), collection, type, user_id: 'tour', request_id: answer.request_id, item_ids: [answer.hits[0].id], position: 1}
  for (let i = 0; i < 2; i++) {
    const r = await sinter.call('events', 'RecordEvents', {events: [event]})
    console.log(`event ${type}: accepted ${r.accepted}, repeated ${r.repeated}`)
  }
}

// What the running server would change on a reload; then the newest version of each model becomes the one that serves.
async function operate() {
  const {changes} = await sinter.call('admin', 'Reload', {dry_run: true}, {seconds: 60})
  console.log(`reload, dry run: ${changes.join('; ') || 'no changes'}`)
  const newest = {}
  for (const model of (await sinter.call('admin', 'ListModels', {})).models) {
    if (!model.fault && Number(model.version) >= Number(newest[model.name]?.version ?? 0)) newest[model.name] = model
  }
  for (const {name, version, deployed} of Object.values(newest)) {
    if (deployed) {
      console.log(`model ${name}/${version}: serves already`)
      continue
    }
    const r = await sinter.call('admin', 'DeployModel', {model: `${name}/${version}`, who: 'tour', why: 'the newest'}, {seconds: 60})
    console.log(`model ${name}/${version}: deployed, snapshot ${r.snapshot}, record ${r.sequence}, ${r.golden_cases} golden cases`)
  }
}

// A plugin's build is changed while requests are answered: here for the same again, after a rehearsal that changes nothing. A build of
// your own would be named by `file`, a path on the server's machine. Whatever is wrong with it is refused, and the old one goes on.
async function swap() {
  const {plugins} = await sinter.call('admin', 'GetStatus', {})
  const plugin = plugins.find((p) => p.used_by.length)?.name
  if (!plugin) return
  let r = await sinter.call('admin', 'SwapPlugin', {plugin, dry_run: true}, {seconds: 60})
  console.log(`swap of ${plugin}, dry run: ${r.rehearsal.changed} of ${r.rehearsal.requests} recorded requests would get another first page;`, ...r.rehearsal.notes)
  r = await sinter.call('admin', 'SwapPlugin', {plugin, who: 'tour', why: 'the same build again'}, {seconds: 60})
  console.log(`swap of ${plugin}: build ${r.sha256.slice(0, 12)} serves, snapshot ${r.snapshot}`)
}

async function main(wanted, words) {
  const {collections} = await sinter.call('catalog', 'ListCollections', {})
  console.log(`collections: ${collections.map((c) => `${c.name} (${c.items} items)`).join(', ')}`)
  const {name: collection, title_field: title} = collections.find((c) => !wanted || c.name === wanted)

  const sequence = await writeItems(collection, title)
  // after_sequence: the answer waits until what was written can be found.
  let answer = await search(collection, 'zeppelin', {after_sequence: sequence, page_size: 3, explain: 'EXPLAIN_SCORES'})
  console.log(`zeppelin: ${answer.total} matches by ${answer.assignment.pipeline}, request ${answer.request_id}`)
  show(answer, title)

  answer = await search(collection, words, {page_size: 5, user: {user_id: 'tour'}})
  await click(collection, answer, await eventTypes(collection))
  await pages(collection, words)
  for await (const page of sinter.stream('catalog', 'ListItems', {request: {collection, limit: 3}})) {
    console.log(`first items of the catalogue: ${page.items.map((item) => item.id).join(', ')}`)
    break
  }

  try {
    await search(collection, words, {filter: 'no_such_field > 3'})
  } catch (error) {
    if (!(error instanceof Refused)) throw error
    console.log(`refused, as it should be: ${error.message}`, ...error.fields.map((f) => `${f.field}: ${f.description}`))
  }
  await operate()
  await swap()
  const {deleted} = await sinter.call('catalog', 'DeleteItems', {collection, ids: ['tour-1', 'tour-2'], write_id: randomUUID()})
  console.log(`deleted ${deleted}`)
}

try {
  await main(process.argv[2], process.argv.slice(3).join(' ') || 'zeppelin')
} finally {
  sinter.close()
}
