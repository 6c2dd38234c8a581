import { TagsDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { count } from '@/format/number'
import { FilterMenu } from './filter-menu'

const STALE_MILLIS = 30_000

interface TagFilterProps {
  chosen: string[] | undefined
  onChange: (tags: string[] | undefined) => void
}

/** The tags of all jobs, and the selected ones; `jobs` is the number of jobs with a tag. */
export function useTags(chosen: string[] = []) {
  const { data } = useApi(TagsDocument, {}, { staleTime: STALE_MILLIS })
  const jobs = new Map(data?.tags.map(({ tag, jobs }) => [tag, jobs]))
  return { names: [...new Set([...jobs.keys(), ...chosen])], jobs }
}

/** Tags as a filter; empty while no job has a tag. */
export function TagFilter({ chosen, onChange }: TagFilterProps) {
  const { names, jobs } = useTags(chosen)
  if (names.length === 0) return null
  return (
    <FilterMenu
      label="Tag"
      all={names}
      chosen={chosen}
      show={(tag) => (jobs.has(tag) ? `${tag} (${count(jobs.get(tag) ?? 0)})` : tag)}
      onChange={(tags) => onChange(tags.length > 0 ? tags : undefined)}
    />
  )
}
