/* built from widgets/src sha256:7b10838fa80de516f901d6b3843ed805f6bb69db8c2fdc08cfbbd7a4d281a1be - do not edit */
function i({el:r}){let n=0,t=new ResizeObserver(()=>{let e=r.clientWidth;e===0||e===n||(n=e,requestAnimationFrame(()=>window.dispatchEvent(new Event("resize"))))});return t.observe(r),()=>t.disconnect()}var d={render:i};export{d as default};
