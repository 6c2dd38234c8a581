// What a tab that nobody touches takes of the network: reads because of events wait until they are within it, however busy
// the cluster is. What is opened or commanded is read at once.

/** Bytes a second in the long run. */
const RATE = 1_200
/** Bytes that a quiet time saves up: then the next change is seen at once. */
const SAVED_MAX = 3_000
/** Longest wait, in milliseconds, whatever a read took. */
const WAIT_MAX = 15_000
/** What a request and its answer take besides the answer's body. */
const HEADERS = 600
/** The body of an answer that does not say how long it is. */
const UNKNOWN = 4_000

export interface Account {
  /** Bytes that may be taken; less than none after a large read. */
  balance: number
  /** When that was so, in milliseconds. */
  at: number
}

let account: Account = { balance: SAVED_MAX, at: 0 }

/** Takes note of an answer to what was asked again by itself. */
export function noteReread(response: Response) {
  const length = Number(response.headers.get('content-length') ?? UNKNOWN)
  account = spent(account, length + HEADERS, performance.now())
}

/** Milliseconds until the next read is within what a tab may take. */
export function restMillis(): number {
  return waitOf(account, performance.now())
}

/** The account after a read. Pure. */
export function spent(before: Account, bytes: number, now: number): Account {
  const lowest = (-RATE * WAIT_MAX) / 1_000
  return { balance: Math.max(lowest, balanceAt(before, now) - bytes), at: now }
}

/** How long nothing may be taken of it. Pure. */
export function waitOf(before: Account, now: number): number {
  return Math.max(0, (-balanceAt(before, now) / RATE) * 1_000)
}

function balanceAt({ balance, at }: Account, now: number): number {
  return Math.min(SAVED_MAX, balance + ((now - at) * RATE) / 1_000)
}
