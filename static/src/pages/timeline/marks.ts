// The marks of a job's row, and their places. Pure.

import { enumLabel } from '@/components/status'
import { duration } from '@/format/duration'
import { count } from '@/format/number'
import { dayAndTime, exactTime, viewerZone } from '@/format/time'
import { type Axis, RUNS } from './views'

/** One execution, or several executions of a cell. */
export interface Mark {
  /** The execution of the link. */
  id: string
  status: string
  /** Ends, from 0 to 1. */
  from: number
  to: number
  several: boolean
  /** Number of failed or lost executions of the mark. */
  failures: number
  /** Text of the hint, line by line. */
  label: string
}

export interface Cell {
  cell: number
  executionId: string
  status: string
  reason: string | null
  at: string
  durationMillis: number | null
  several: boolean
  failures: number
}

export interface Run {
  id: string
  status: string
  reason: string | null
  fireTime: string
  startedAt: string | null
  durationMillis: number | null
}

/**
 * Marks on a time axis. A single execution of a cell has its own place; several fill the cell. `from` is the start of
 * the server's first cell, which may be a cell before the axis.
 */
export function marksOf(cells: Cell[], from: number, axis: Axis, nowMillis: number): Mark[] {
  const place = (millis: number) => (millis - axis.from) / (axis.to - axis.from)
  const marks = cells.map((one): Mark => {
    const at = Date.parse(one.at)
    const ended = one.status === 'RUNNING' ? Math.max(at, nowMillis) : at + (one.durationMillis ?? 0)
    const begin = from + one.cell * axis.cell
    const wide = one.several && one.cell >= 0
    return {
      id: one.executionId,
      status: one.status,
      from: Math.max(0, place(wide ? begin : at)),
      to: Math.min(1, place(wide ? Math.max(begin + axis.cell, ended) : ended)),
      several: wide,
      failures: one.failures,
      label: labelOf(one, wide ? { from: begin, to: begin + axis.cell } : null),
    }
  })
  return marks.filter(({ from, to }) => to > 0 && from < 1)
}

/** Marks of the last runs, given newest first: the newest is at the right. */
export function marksOfRuns(runs: Run[]): Mark[] {
  return runs.slice(0, RUNS).map((run, index) => ({
    id: run.id,
    status: run.status,
    from: (RUNS - 1 - index) / RUNS,
    to: (RUNS - index) / RUNS,
    several: false,
    failures: isFailure(run.status) ? 1 : 0,
    label: labelOf({ ...run, at: run.startedAt ?? run.fireTime, failures: 0 }, null),
  }))
}

interface Said {
  status: string
  reason: string | null
  at: string
  durationMillis: number | null
  failures: number
}

function labelOf(
  { status, reason, at, durationMillis, failures }: Said,
  cell: { from: number; to: number } | null,
): string {
  const outcome = enumLabel(status) + (reason ? ` · ${enumLabel(reason)}` : '')
  const took = durationMillis === null ? '' : `\nTook ${duration(durationMillis)}`
  const lines = `${outcome}\n${exactTime(at, viewerZone)}${took}`
  if (!cell) return lines
  const [first, end] = [cell.from, cell.to].map((millis) => dayAndTime(new Date(millis).toISOString(), viewerZone))
  const failed = failures > 0 ? `${count(failures)} failed. The newest of them:` : 'The newest of several:'
  return `${first} to ${end?.split(', ')[1]}: ${failed}\n${lines}`
}

/** Whether the mark is highlighted. */
export function isFailure(status: string): boolean {
  return status === 'FAILED' || status === 'LOST'
}

/** The summary of a row: "3 failed". */
export function summary(marks: Mark[]): string {
  if (marks.length === 0) return 'nothing ran'
  const failures = failuresOf(marks)
  return failures === 0 ? 'nothing failed' : `${count(failures)} failed`
}

/** Number of failed executions. */
export function failuresOf(marks: Mark[]): number {
  return marks.reduce((sum, mark) => sum + mark.failures, 0)
}
