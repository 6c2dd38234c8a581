// The state of the whole cluster: read once, then told each second. The navigation and the overview show the same.

import { useQueryClient } from '@tanstack/react-query'
import { useEffect } from 'react'
import {
  OverviewDocument,
  type OverviewPartsFragment,
  type OverviewQuery,
  OverviewUpdatedDocument,
} from '@/api/generated'
import { useLive, usePollInterval } from '@/api/live'
import { keyOf, useApi } from '@/api/queries'
import { noteDatabaseTime } from './clock'

/** Time between two reads while no events arrive, in milliseconds. */
const POLL_INTERVAL = 3_000

/** The newest overview. */
export function useOverview() {
  const refetchInterval = usePollInterval(POLL_INTERVAL)
  return useApi(OverviewDocument, {}, { refetchInterval })
}

/** Keeps the overview fresh; used once, by the shell. */
export function useOverviewUpdates() {
  const queries = useQueryClient()
  const { data } = useOverview()
  useLive(OverviewUpdatedDocument, {}, ({ overviewUpdated }) => {
    queries.setQueryData<OverviewQuery>(keyOf(OverviewDocument, {}), { overview: overviewUpdated })
  })
  useEffect(() => {
    if (data) noteDatabaseTime(data.overview.cluster.databaseTime)
  }, [data])
}

/** Whether all is well, in one word and one sentence. */
export interface Health {
  tone: 'good' | 'warn' | 'bad'
  title: string
}

/** Reads the overview as a person would. */
export function healthOf(overview: OverviewPartsFragment): Health {
  const { cluster, attention, failuresLastHour } = overview
  if (cluster.hold) return { tone: 'bad', title: 'The cluster is held' }
  if (cluster.activeNodes === 0) return { tone: 'bad', title: 'No node takes work' }
  const jobsOf = (list: typeof attention) => new Set(list.map((one) => one.jobId)).size
  const urgent = jobsOf(attention.filter((one) => one.kind === 'LATE' || one.kind === 'STUCK'))
  if (urgent > 0) return { tone: 'bad', title: jobs(urgent, 'late or stuck') }
  if (attention.some((one) => !one.jobId)) return { tone: 'warn', title: 'The cluster is to look at' }
  if (attention.length > 0) return { tone: 'warn', title: jobs(jobsOf(attention), 'to look at') }
  if (failuresLastHour > 0) return { tone: 'warn', title: 'Runs, with failures in the last hour' }
  return { tone: 'good', title: 'All is well' }
}

function jobs(count: number, what: string): string {
  return `${count === 1 ? 'One job is' : `${count} jobs are`} ${what}`
}
