/** The worker: offers handlers, polls, runs and settles. */

import { hostname } from 'node:os'
import { Api, type Execution, type Held, type Joined, type Polled, type Renewed, type Settled } from './api.js'
import { FinalError, Problem, RetryLater } from './errors.js'
import { Run, type Said } from './run.js'

/** Longest wait of a poll, in seconds. */
const WAIT_SECONDS = 20
/** Most results of one call. */
const RESULTS_MAX = 500
/** Pause after a call that failed, in milliseconds. */
const PAUSE_MILLIS = 1_000
/** Longest time of a call that does not wait, in milliseconds. */
const PATIENCE_MILLIS = 10_000
/** Part of the TTL after the last good heartbeat for which the worker trusts itself. */
const TRUSTED = 7 / 8

/** Runs one attempt. What it returns is the output. */
export type Handler<Payload = unknown> = (run: Run, payload: Payload) => unknown

export interface WorkerOptions {
  /** An API token with the role OPERATOR in the namespace. */
  token?: string
  /** Display only. Default: host and process. */
  name?: string
  /** Default: `default`. */
  namespace?: string
  version?: string
  /** Most executions at once. Default: 10. */
  slots?: number
  /** Seconds of silence after which the cluster takes the worker for dead: 5 to 300. Default: 15. */
  ttlSeconds?: number
  /** Milliseconds for what runs when the worker stops. Default: 30,000. */
  drainMillis?: number
  /** Milliseconds that a handler has to stop after its cancellation. Default: 5,000. */
  abandonMillis?: number
}

interface Result extends Held {
  outcome: 'SUCCESS' | 'FAILED' | 'CANCELLED'
  output?: unknown
  error?: string
  retry?: boolean
  retryAfterSeconds?: number
  timedOut?: boolean
  checkpoint?: unknown
}

export class Worker {
  readonly #api: Api
  readonly #options: Required<Omit<WorkerOptions, 'token'>>
  readonly #handlers = new Map<string, Handler<never>>()
  readonly #stop = new AbortController()

  constructor(url: string, options: WorkerOptions = {}) {
    const { token, ...given } = options
    this.#api = new Api(url, token)
    this.#options = {
      name: `${hostname()}-${process.pid}`,
      namespace: 'default',
      version: '',
      slots: 10,
      ttlSeconds: 15,
      drainMillis: 30_000,
      abandonMillis: 5_000,
      ...given,
    }
  }

  /** Offers a function as the handler of this name. */
  handler<Payload = unknown>(name: string, run: Handler<Payload>): this {
    if (this.#handlers.has(name)) throw new Error(`the handler ${name} is there already`)
    this.#handlers.set(name, run as Handler<never>)
    return this
  }

  /** Runs until SIGTERM, SIGINT or `stop`, and drains. A second signal ends the process. */
  async run(): Promise<void> {
    const onSignal = () => {
      if (this.#stop.signal.aborted) process.exit(1)
      this.stop()
    }
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal)
    try {
      await this.serve()
    } finally {
      process.off('SIGTERM', onSignal).off('SIGINT', onSignal)
    }
  }

  /** Drains, and ends `run` or `serve`. */
  stop(): void {
    this.#stop.abort()
  }

  /** The same as `run` without signals. */
  async serve(): Promise<void> {
    if (this.#handlers.size === 0) throw new Error('the worker offers no handler')
    while (!this.#stop.signal.aborted) {
      const begun = performance.now()
      const joined = await this.#join()
      if (joined) await new Life(this.#api, this.#options, this.#handlers, this.#stop.signal, joined, begun).run()
    }
  }

  async #join(): Promise<Joined | undefined> {
    const { name, namespace, version, slots, ttlSeconds } = this.#options
    const profile = { name, namespace, version, slots, ttlSeconds, handlers: [...this.#handlers.keys()] }
    try {
      return await this.#api.call<Joined>('/workers', profile, PATIENCE_MILLIS)
    } catch (error) {
      if (error instanceof Problem && !error.isPassing) throw error
      console.warn(`horolog: cannot join: ${words(error)}: trying again`)
      await pause(PAUSE_MILLIS, this.#stop.signal)
      return undefined
    }
  }
}

/** One life of a worker: from its join until it leaves or is fenced. */
class Life {
  readonly #held = new Map<string, Run>()
  readonly #attempts = new Set<Promise<void>>()
  readonly #results: [Run, Result][] = []
  readonly #over = new AbortController()
  readonly #path: string
  #trustedUntil: number
  #polls = 0
  #isDraining = false
  #isAbandoned = false
  #changed = signalled()

  constructor(
    readonly api: Api,
    readonly options: Required<Omit<WorkerOptions, 'token'>>,
    readonly handlers: Map<string, Handler<never>>,
    readonly stopping: AbortSignal,
    readonly joined: Joined,
    begun: number,
  ) {
    this.#path = `/workers/${joined.id}`
    this.#trustedUntil = begun + this.#ttl * TRUSTED
  }

  get #ttl(): number {
    return this.joined.ttlSeconds * 1_000
  }

  get #isOver(): boolean {
    return this.#over.signal.aborted
  }

  async run(): Promise<void> {
    const ended = new AbortController()
    const background = [this.#renewAll(ended.signal), this.#settleAll(ended.signal)]
    try {
      await this.#pollAll()
      if (!this.#isOver) await this.#drain()
    } finally {
      // What has not ended is left to the recovery of its job.
      this.#isAbandoned = true
      for (const run of this.#held.values()) run.cancel()
      await Promise.allSettled(this.#attempts)
      if (!this.#isOver) {
        const until = performance.now() + PATIENCE_MILLIS
        while (this.#results.length > 0 && performance.now() < until) await pause(10)
        await this.api.call(this.#path, undefined, PATIENCE_MILLIS).catch((error: unknown) => {
          console.warn(`horolog: could not leave: ${words(error)}: the cluster will notice`)
        })
      }
      ended.abort()
      this.#wake()
      await Promise.all(background)
    }
  }

  #wake(): void {
    this.#changed.resolve()
    this.#changed = signalled()
  }

  #fence(why: string): void {
    if (this.#isOver) return
    console.warn(`horolog: worker ${this.joined.id}: ${why}: what it runs is cancelled`)
    this.#over.abort()
    for (const run of this.#held.values()) run.cancel()
    this.#wake()
  }

  // Polls ---------------------------------------------------------------------------------------

  async #pollAll(): Promise<void> {
    const ends = AbortSignal.any([this.stopping, this.#over.signal])
    while (!ends.aborted) {
      const free = this.options.slots - this.#held.size
      if (this.#isDraining && this.#held.size === 0) return
      if (free <= 0 || this.#isDraining) {
        await Promise.race([this.#changed.promise, aborted(ends)])
        continue
      }
      if (!(await this.#poll(free, WAIT_SECONDS, ends))) await pause(PAUSE_MILLIS, ends)
    }
  }

  /** Polls once, and starts what it gets. False: the answer did not come. */
  async #poll(free: number, waitSeconds: number, ends?: AbortSignal): Promise<boolean> {
    this.#polls += 1
    const holding = [...this.#held.values()].map((run) => run.held())
    const body = { poll: this.#polls, free, holding, waitSeconds }
    let answer: Polled
    try {
      answer = await this.api.call<Polled>(`${this.#path}/poll`, body, waitSeconds * 1_000 + PATIENCE_MILLIS, ends)
    } catch (error) {
      if (ends?.aborted) return false
      if (isEnd(error)) this.#fence('its membership has ended')
      else console.warn(`horolog: poll failed: ${words(error)}`)
      return false
    }
    this.#isDraining ||= answer.draining
    for (const execution of answer.executions) {
      const run = new Run(execution)
      this.#held.set(run.id, run)
      const attempt = this.#attempt(run, execution).finally(() => this.#attempts.delete(attempt))
      this.#attempts.add(attempt)
    }
    return true
  }

  /** Gives back what the last answer may have leased, and waits for what runs. */
  async #drain(): Promise<void> {
    await this.#poll(0, 0)
    await Promise.race([Promise.allSettled(this.#attempts), pause(this.options.drainMillis, this.#over.signal)])
  }

  // Heartbeats ----------------------------------------------------------------------------------

  async #renewAll(ended: AbortSignal): Promise<void> {
    let wait = this.#ttl / 4
    while (!ended.aborted && !this.#isOver) {
      await pause(wait, AbortSignal.any([ended, this.#over.signal]))
      if (ended.aborted || this.#isOver) return
      wait = (await this.#renew()) ? this.#ttl / 4 : Math.min(1_000, this.#ttl / 16)
      if (performance.now() >= this.#trustedUntil) this.#fence('no good heartbeat for 7/8 of its TTL')
    }
  }

  async #renew(): Promise<boolean> {
    const runs = [...this.#held.values()]
    const said: [Run, Said][] = []
    for (const run of runs) {
      const words = run.takeSaid()
      if (words) said.push([run, words])
    }
    const holding = runs.map((run) => run.held())
    const progress = said.map(([run, words]) => ({ ...run.held(), ...words }))
    const sent = performance.now()
    // A late answer is of no use: the trust ends before.
    const patience = Math.max(100, Math.min(this.#ttl / 4, this.#trustedUntil - sent))
    let answer: Renewed
    try {
      answer = await this.api.call<Renewed>(`${this.#path}/heartbeat`, { holding, progress }, patience)
    } catch (error) {
      for (const [run, words] of said) run.putBack(words)
      if (isEnd(error)) this.#fence('its membership has ended')
      else console.warn(`horolog: heartbeat failed: ${words(error)}`)
      return false
    }
    this.#trustedUntil = sent + this.#ttl * TRUSTED
    this.#isDraining ||= answer.draining
    for (const run of runs) {
      const names = (attempts: Held[]) => attempts.some(({ id, attempt }) => id === run.id && attempt === run.attempt)
      const isLost = names(answer.lost)
      if (isLost) this.#drop(run)
      if (isLost || names(answer.cancel)) run.cancel()
    }
    this.#wake()
    return true
  }

  #drop(run: Run): void {
    if (this.#held.get(run.id) === run) this.#held.delete(run.id)
    this.#wake()
  }

  // Attempts ------------------------------------------------------------------------------------

  async #attempt(run: Run, execution: Execution): Promise<void> {
    const handler = this.handlers.get(run.handler) as Handler | undefined
    const work = (async () => {
      if (!handler) throw new FinalError(`this worker has no handler ${run.handler}`)
      return await handler(run, execution.payload)
    })().then(succeeded, failed)
    const limit = new AbortController()
    const timeout = run.timeoutSeconds === null ? new Promise<never>(() => {}) : pause(run.timeoutSeconds * 1_000, limit.signal)
    const first = await Promise.race([
      work,
      timeout.then(() => 'TIMEOUT' as const),
      aborted(run.signal).then(() => 'CANCELLED' as const),
    ])
    limit.abort()
    if (typeof first !== 'string') return this.#end(run, first)
    run.cancel()
    const isGone = await Promise.race([work.then(() => true), pause(this.options.abandonMillis).then(() => false)])
    if (!isGone) console.error(`horolog: handler ${run.handler} ignores its cancellation: abandoned`)
    const error = `the attempt took longer than timeoutSeconds (${run.timeoutSeconds})`
    this.#end(run, first === 'TIMEOUT' ? { outcome: 'FAILED', timedOut: true, error } : { outcome: 'CANCELLED' })
  }

  #end(run: Run, outcome: Omit<Result, keyof Held>): void {
    // Another worker gets it, or has it by now.
    if (this.#isAbandoned || this.#isOver) return
    const said = run.takeSaid()
    const checkpoint = said && 'checkpoint' in said ? { checkpoint: said.checkpoint } : {}
    this.#results.push([run, { ...run.held(), ...outcome, ...checkpoint }])
    this.#wake()
  }

  // Results -------------------------------------------------------------------------------------

  async #settleAll(ended: AbortSignal): Promise<void> {
    while (!ended.aborted) {
      const batch = this.#results.slice(0, RESULTS_MAX)
      if (batch.length === 0) {
        await this.#changed.promise
      } else if (await this.#settle(batch)) {
        this.#results.splice(0, batch.length)
        this.#wake()
      } else {
        await pause(PAUSE_MILLIS, ended)
      }
    }
  }

  /** Sends results. They are held until the answer, whatever happened to them. */
  async #settle(batch: [Run, Result][]): Promise<boolean> {
    let answer: Settled
    try {
      const body = { results: batch.map(([, result]) => result) }
      answer = await this.api.call<Settled>(`${this.#path}/settle`, body, PATIENCE_MILLIS)
    } catch (error) {
      if (error instanceof Problem && [400, 413].includes(error.status)) return this.#settleEach(batch, error)
      console.warn(`horolog: results did not arrive: ${words(error)}: trying again`)
      return false
    }
    batch.forEach(([run], index) => {
      this.#drop(run)
      const code = answer.results[index]?.code
      if (code === 'FENCED' || code === 'CANCELLED') {
        console.warn(`horolog: execution ${run.id} attempt ${run.attempt}: ${code}`)
      }
    })
    return true
  }

  /** One result is refused, and must not keep the others. */
  async #settleEach(batch: [Run, Result][], problem: Problem): Promise<boolean> {
    if (batch.length > 1) {
      let areAll = true
      for (const one of batch) areAll = (await this.#settle([one])) && areAll
      return areAll
    }
    for (const [run, result] of batch) {
      if (result.error === problem.message) {
        console.error(`horolog: execution ${run.id} cannot be settled: ${problem.message}`)
        this.#drop(run)
        return true
      }
      return this.#settle([[run, { ...run.held(), outcome: 'FAILED', retry: false, error: problem.message }]])
    }
    return true
  }
}

function succeeded(output: unknown): Omit<Result, keyof Held> {
  return output === undefined ? { outcome: 'SUCCESS' } : { outcome: 'SUCCESS', output }
}

function failed(error: unknown): Omit<Result, keyof Held> {
  if (error instanceof RetryLater) {
    return { outcome: 'FAILED', error: error.message, retryAfterSeconds: error.seconds }
  }
  if (error instanceof FinalError) return { outcome: 'FAILED', error: error.message, retry: false }
  return { outcome: 'FAILED', error: words(error) }
}

function isEnd(error: unknown): boolean {
  return error instanceof Problem && (error.status === 404 || error.status === 410)
}

function words(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}

function signalled(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {}
  const promise = new Promise<void>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function pause(millis: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, millis)
    function done() {
      clearTimeout(timer)
      signal?.removeEventListener('abort', done)
      resolve()
    }
    if (signal?.aborted) done()
    else signal?.addEventListener('abort', done, { once: true })
  })
}
