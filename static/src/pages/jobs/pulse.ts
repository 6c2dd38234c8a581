import { type JobRowFragment, type JobsPageQuery, JobsPulseDocument, type JobsPulseQuery } from '@/api/generated'
import { newestRuns, type Pulse } from '@/api/read'

/** Number of runs in a row. */
const RUNS = 20

/** Keeps a page of jobs up to date. */
export const JOBS_PULSE: Pulse<JobsPageQuery, JobsPulseQuery> = { document: JobsPulseDocument, patch }

function patch(known: JobsPageQuery, { jobsPage }: JobsPulseQuery): JobsPageQuery | null {
  const rows = new Map(known.jobsPage.nodes.map((row) => [row.id, row]))
  const nodes: JobRowFragment[] = []
  for (const fresh of jobsPage.nodes) {
    const row = rows.get(fresh.id)
    if (row?.version !== fresh.version) return null
    const recentExecutions = newestRuns(row.recentExecutions, fresh.recentExecutions, RUNS)
    if (!recentExecutions) return null
    nodes.push({ ...row, ...fresh, recentExecutions })
  }
  return { jobsPage: { ...jobsPage, nodes } }
}
