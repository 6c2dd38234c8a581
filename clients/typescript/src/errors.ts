/** Errors: what a node refuses, and what a handler throws. */

/** A refusal of a node (RFC 9457). */
export class Problem extends Error {
  readonly code: string
  readonly field: string | undefined

  constructor(
    readonly status: number,
    body: { code?: string; detail?: string; field?: string },
  ) {
    super(`${status} ${body.code ?? ''}: ${body.detail ?? ''}`)
    this.code = body.code ?? ''
    this.field = body.field
  }

  /** Whether the same call may succeed later. */
  get isPassing(): boolean {
    return this.status >= 500 || this.status === 408 || this.status === 429
  }
}

/** The execution fails for good: no retry. */
export class FinalError extends Error {}

/** The attempt fails, and the next one comes no sooner than after `seconds`. */
export class RetryLater extends Error {
  constructor(
    message: string,
    readonly seconds: number,
  ) {
    super(message)
  }
}
