import { FilterMenu } from '@/components/filter-menu'
import { useNamespaces } from './namespaces'

interface NamespaceFilterProps {
  chosen: string[] | undefined
  onChange: (namespaces: string[] | undefined) => void
}

/** Namespaces as a filter; empty with one only. An address may name one that is gone. */
export function NamespaceFilter({ chosen = [], onChange }: NamespaceFilterProps) {
  const all = [...new Set([...useNamespaces(), ...chosen])]
  if (all.length < 2) return null
  return (
    <FilterMenu
      label="Namespace"
      all={all}
      chosen={chosen}
      show={(name) => name}
      onChange={(names) => onChange(names.length > 0 ? names : undefined)}
    />
  )
}
