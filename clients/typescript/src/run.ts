/** One attempt of an execution, as its handler sees it. */

import type { Execution, Held } from './api.js'

/** What an attempt says with the next heartbeat. */
export interface Said {
  percent?: number
  message?: string
  checkpoint?: unknown
}

export class Run {
  /** Id of the execution: the idempotency key, the same for all attempts. */
  readonly id: string
  /** Number of the attempt, from 1: the fencing token. */
  readonly attempt: number
  readonly jobId: string
  readonly jobName: string
  readonly handler: string
  readonly kind: string
  readonly fireTime: string
  readonly dueTime: string
  /** Earlier attempts that failed. */
  readonly failures: number
  readonly timeoutSeconds: number | null
  readonly #stop = new AbortController()
  #checkpoint: unknown
  #said: Said = {}

  constructor(execution: Execution) {
    this.id = execution.id
    this.attempt = execution.attempt
    this.jobId = execution.jobId
    this.jobName = execution.jobName
    this.handler = execution.handler
    this.kind = execution.kind
    this.fireTime = execution.fireTime
    this.dueTime = execution.dueTime
    this.failures = execution.failures
    this.timeoutSeconds = execution.timeoutSeconds
    this.#checkpoint = execution.checkpoint
  }

  /** Aborted when the handler shall stop: its result does not count any more. */
  get signal(): AbortSignal {
    return this.#stop.signal
  }

  /** What this attempt, or an earlier one, saved. */
  get checkpoint(): unknown {
    return this.#checkpoint
  }

  /** Says how far the attempt is: 0 to 100, and a sentence. For people. */
  progress(percent: number, message?: string): void {
    this.#said.percent = percent
    if (message !== undefined) this.#said.message = message.slice(0, 500)
  }

  /** Saves what the next attempt shall know. Travels with the next heartbeat or the result. */
  save(checkpoint: unknown): void {
    this.#said.checkpoint = checkpoint
    this.#checkpoint = checkpoint
  }

  /** The attempt in the bodies of calls. */
  held(): Held {
    return { id: this.id, attempt: this.attempt }
  }

  /** What it said since the last call. */
  takeSaid(): Said | undefined {
    const said = this.#said
    this.#said = {}
    return Object.keys(said).length > 0 ? said : undefined
  }

  /** What did not arrive travels again, unless there is newer. */
  putBack(said: Said): void {
    this.#said = { ...said, ...this.#said }
  }

  /** Tells the handler to stop. */
  cancel(): void {
    this.#stop.abort()
  }
}
