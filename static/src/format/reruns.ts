// The executions that a rerun leaves out, in words. Pure.

import { count } from './number'

export interface Reruns {
  underWay: number
  repeated: number
  ofDeletedJobs: number
  ranges: number
}

/** Why some executions do not run again; empty when all do. */
export function leftOut({ underWay, repeated, ofDeletedJobs, ranges }: Reruns): string {
  const parts = [
    underWay > 0 && `${count(underWay)} run again already`,
    repeated > 0 && `${count(repeated)} have run again before; their reruns can be repeated`,
    ofDeletedJobs > 0 && `${count(ofDeletedJobs)} are of deleted jobs`,
    ranges > 0 && `${count(ranges)} stand for several fire times: a backfill can run them`,
  ].filter(Boolean)
  return parts.length === 0 ? '' : `Left out: ${parts.join('; ')}.`
}
