import { X } from 'lucide-react'
import type { ReactNode } from 'react'
import { buttonClass } from './button'

interface FilterChipProps {
  /** The command that it is, such as "Show all jobs". */
  clear: string
  onClear: () => void
  children: ReactNode
}

/** A filter that a link has set: it can only be taken away. */
export function FilterChip({ clear, onClear, children }: FilterChipProps) {
  return (
    <button type="button" onClick={onClear} className={`${buttonClass()} max-w-72 border-accent text-accent`}>
      <span className="truncate">{children}</span>
      <X size={14} aria-label={clear} className="shrink-0" />
    </button>
  )
}
