// Network budget of an idle tab: reads because of events wait for it, however busy the cluster is. A read on request of
// the user does not wait.

/** Bytes a second in the long run. */
const RATE = 1_200
/** Bytes that a quiet period saves up, so that the next change is shown at once. */
const SAVED_MAX = 3_000
/** Longest wait, in milliseconds, whatever the size of a read. */
const WAIT_MAX = 15_000
/** Bytes of a request and its answer, without the body of the answer. */
const HEADERS = 600
/** Assumed size of an answer without a length. */
const UNKNOWN = 4_000

export interface Account {
  /** Bytes left; negative after a large read. */
  balance: number
  /** Time of that balance, in milliseconds. */
  at: number
}

let account: Account = { balance: SAVED_MAX, at: 0 }

/** Records an answer to a repeated read. */
export function noteReread(response: Response) {
  const length = Number(response.headers.get('content-length') ?? UNKNOWN)
  account = spent(account, length + HEADERS, performance.now())
}

/** Milliseconds until the next read is within the budget. */
export function restMillis(): number {
  return waitOf(account, performance.now())
}

/** The balance after a read. Pure. */
export function spent(before: Account, bytes: number, now: number): Account {
  const lowest = (-RATE * WAIT_MAX) / 1_000
  return { balance: Math.max(lowest, balanceAt(before, now) - bytes), at: now }
}

/** Time until the balance is positive. Pure. */
export function waitOf(before: Account, now: number): number {
  return Math.max(0, (-balanceAt(before, now) / RATE) * 1_000)
}

function balanceAt({ balance, at }: Account, now: number): number {
  return Math.min(SAVED_MAX, balance + ((now - at) * RATE) / 1_000)
}
