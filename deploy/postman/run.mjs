// Runs the collection against a real node that ends with it, by newman: twice, because it must clean up after itself.

import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import newman from 'newman'
import { startCluster } from '../../static/e2e/cluster.mjs'

const file = (name) => fileURLToPath(new URL(name, import.meta.url))

function run(url) {
  const options = {
    collection: file('horolog.postman_collection.json'),
    environment: file('local.postman_environment.json'),
    envVar: [{ key: 'baseURL', value: `${url}/scheduler-instance` }],
    reporters: [],
    timeoutRequest: 10_000,
  }
  return new Promise((done, fail) => newman.run(options, (error, summary) => (error ? fail(error) : done(summary.run))))
}

const folder = mkdtempSync(join(tmpdir(), 'horolog-postman-'))
const keys = join(folder, 'keys')
writeFileSync(keys, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 })
const cluster = await startCluster(1, ['--secrets-key-file', keys])
try {
  for (const time of ['first', 'second']) {
    const { stats, failures } = await run(cluster.url)
    for (const { source, error } of failures) console.error(`postman: ${source?.name}: ${error.test ?? ''}: ${error.message}`)
    console.log(`postman: ${time} run: ${stats.requests.total} requests, ${stats.assertions.total} assertions, ${failures.length} failed`)
    if (failures.length > 0 || stats.assertions.total === 0) process.exitCode = 1
  }
} finally {
  await cluster.stop()
  rmSync(folder, { recursive: true, force: true })
}
