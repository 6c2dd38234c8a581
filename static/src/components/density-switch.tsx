import { Rows4 } from 'lucide-react'
import { useDensity } from '@/lib/density'
import { IconButton } from './button'

/** Switches between compact and comfortable rows. A narrow screen has cards, without a choice. */
export function DensitySwitch() {
  const [density, choose] = useDensity()
  const compact = density === 'compact'
  return (
    <IconButton
      icon={Rows4}
      label="Compact rows"
      aria-pressed={compact}
      className="aria-pressed:bg-hover aria-pressed:text-ink max-md:hidden"
      onClick={() => choose(compact ? 'comfortable' : 'compact')}
    />
  )
}
