// The places of executions on the timeline: a row for each node, with a lane for each overlapping execution. Pure.

import type { ExecutionRowFragment } from '@/api/generated'

/** A length on the time axis, both ends from 0 to 1. */
export interface Bar {
  execution: ExecutionRowFragment
  /** Due time, start and end (or now). */
  due: number
  start: number
  end: number
  lane: number
}

export interface NodeRow {
  node: string
  lanes: number
  bars: Bar[]
}

export interface Lanes {
  from: number
  to: number
  rows: NodeRow[]
}

/** Skipped fire times ran on no node. */
export const NOWHERE = 'not run'

/** Space between two bars of a lane, as a part of the axis. */
const GAP = 0.004
/** Most lanes of a node; further executions share the last one. */
const LANES_MAX = 6

/** Lays out executions between the earliest due time and now. */
export function layOut(executions: ExecutionRowFragment[], nowMillis: number): Lanes {
  const spans = executions.map((execution) => {
    const due = Date.parse(execution.dueTime)
    const start = execution.startedAt === null ? due : Date.parse(execution.startedAt)
    const open = execution.startedAt !== null && execution.finishedAt === null
    const end = open ? nowMillis : Math.max(start, Date.parse(execution.finishedAt ?? execution.dueTime))
    return { execution, due: Math.min(due, start), start, end }
  })
  const from = Math.min(...spans.map((span) => span.due))
  const to = Math.max(nowMillis, ...spans.map((span) => span.end), from + 1)
  const place = (millis: number) => (millis - from) / (to - from)

  const rows = new Map<string, NodeRow>()
  const ends = new Map<string, number[]>()
  for (const span of spans.toSorted((a, b) => a.due - b.due)) {
    const node = span.execution.status === 'SKIPPED' ? NOWHERE : (span.execution.nodeName ?? NOWHERE)
    const row = rows.get(node) ?? { node, lanes: 0, bars: [] }
    const free = ends.get(node) ?? []
    const [due, start, end] = [place(span.due), place(span.start), place(span.end)]
    const found = free.findIndex((busyUntil) => busyUntil + GAP <= due)
    const lane = found >= 0 ? found : Math.min(free.length, LANES_MAX - 1)
    free[lane] = Math.max(free[lane] ?? 0, end)
    row.bars.push({ execution: span.execution, due, start, end, lane })
    row.lanes = Math.max(row.lanes, lane + 1)
    rows.set(node, row)
    ends.set(node, free)
  }
  const order = (row: NodeRow) => (row.node === NOWHERE ? '\uffff' : row.node)
  return { from, to, rows: [...rows.values()].toSorted((a, b) => order(a).localeCompare(order(b))) }
}
