module omnistreams.dev/hostile

go 1.26.0

require omnistreams.dev v0.0.0

replace omnistreams.dev => ../
