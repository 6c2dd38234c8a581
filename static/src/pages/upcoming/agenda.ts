// Which jobs fire in a stretch of time, as far as their next fire times tell. Pure.

export interface Planned {
  nextFireTimes: string[]
}

export interface Entry<Job> {
  job: Job
  /** Its fire times in the stretch that are known. */
  times: string[]
  /** It fires so often that its next fire times, as many as were asked for, end before the stretch does. */
  often: boolean
}

/** Who fires from `from` until before `to`, the rarest first. `asked` is how many next fire times each job was asked for. */
export function agendaOf<Job extends Planned>(jobs: Job[], from: string, to: string, asked: number): Entry<Job>[] {
  const [start, end] = [Date.parse(from), Date.parse(to)]
  const entries = jobs.map((job) => {
    const times = job.nextFireTimes.filter((at) => Date.parse(at) >= start && Date.parse(at) < end)
    const last = job.nextFireTimes.at(-1)
    const often = job.nextFireTimes.length === asked && last !== undefined && Date.parse(last) < end
    return { job, times, often }
  })
  return entries
    .filter(({ times, often }) => times.length > 0 || often)
    .toSorted((a, b) => Number(a.often) - Number(b.often) || a.times.length - b.times.length)
}
