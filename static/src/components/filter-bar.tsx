import { clsx } from 'clsx'
import { ListFilter } from 'lucide-react'
import { type ReactNode, useState } from 'react'
import { Button } from './button'

interface FilterBarProps {
  /** Always visible on a narrow screen, such as the search field. */
  first?: ReactNode
  /** Number of active filters. */
  active: number
  children: ReactNode
}

/** The filters of a list; on a narrow screen behind a button. */
export function FilterBar({ first, active, children }: FilterBarProps) {
  const [open, setOpen] = useState(false)
  return (
    <search className="flex flex-wrap items-center gap-2">
      {first}
      <Button icon={ListFilter} className="md:hidden" aria-expanded={open} onClick={() => setOpen(!open)}>
        Filters{active > 0 && ` (${active})`}
      </Button>
      <div className={clsx('w-full flex-wrap items-center gap-2 md:contents', open ? 'flex' : 'hidden')}>
        {children}
      </div>
    </search>
  )
}
