/** The calls of a worker. One request each; the caller decides about another try. */

import { Problem } from './errors.js'

/** An attempt in the bodies of calls. */
export interface Held {
  id: string
  attempt: number
}

/** An execution in the answer to a poll. */
export interface Execution extends Held {
  jobId: string
  jobName: string
  handler: string
  kind: string
  payload: unknown
  checkpoint: unknown
  failures: number
  fireTime: string
  dueTime: string
  timeoutSeconds: number | null
}

export interface Joined {
  id: string
  ttlSeconds: number
}

export interface Polled {
  draining: boolean
  executions: Execution[]
}

export interface Renewed {
  draining: boolean
  cancel: Held[]
  lost: Held[]
}

export interface Settled {
  results: (Held & { code: 'SETTLED' | 'ALREADY_SETTLED' | 'CANCELLED' | 'FENCED' })[]
}

export class Api {
  readonly #url: string
  readonly #token: string | undefined

  constructor(url: string, token: string | undefined) {
    this.#url = url.replace(/\/$/, '')
    this.#token = token
  }

  /** Posts a body, or deletes without one. `signal` gives the request up. */
  async call<Answer>(path: string, body: unknown, millis: number, signal?: AbortSignal): Promise<Answer> {
    const signals = [AbortSignal.timeout(millis), ...(signal ? [signal] : [])]
    const headers: Record<string, string> = this.#token ? { authorization: `Bearer ${this.#token}` } : {}
    const request: RequestInit = { method: 'DELETE', headers, signal: AbortSignal.any(signals) }
    if (body !== undefined) {
      headers['content-type'] = 'application/json'
      request.method = 'POST'
      request.body = JSON.stringify(body)
    }
    const answer = await fetch(this.#url + path, request)
    if (answer.ok) return (await answer.json()) as Answer
    const problem = (await answer.json().catch(() => ({}))) as { code?: string; detail?: string; field?: string }
    throw new Problem(answer.status, problem)
  }
}
