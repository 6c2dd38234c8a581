// The data of a node's charts. Pure.

import type { NodeLoadQuery } from '@/api/generated'

export type LoadPoint = NodeLoadQuery['nodeLoad'][number]

/** Length of the charts, in minutes. */
export const LOAD_SPANS = { '1 hour': 60, '24 hours': 1_440 } as const
export type LoadSpan = keyof typeof LOAD_SPANS

/** Time without a free slot, in milliseconds. */
export function fullMillis(points: LoadPoint[]): number {
  return points.reduce((sum, point) => sum + point.fullSeconds, 0) * 1_000
}

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'] as const

/** "812 MB", "1.2 GB". */
export function bytes(value: number): string {
  let unit = 0
  let rest = value
  while (rest >= 1_000 && unit < UNITS.length - 1) {
    rest /= 1_000
    unit += 1
  }
  return `${Number(rest.toFixed(rest < 10 && unit > 0 ? 1 : 0))} ${UNITS[unit]}`
}

/** Processors in use: "35 %" of one. */
export function percent(cpu: number): string {
  return `${Math.round(cpu * 100)} %`
}

/** Slots in use: "12", "3.5". */
export function slots(value: number): string {
  return String(Number(value.toFixed(value < 10 ? 1 : 0)))
}
